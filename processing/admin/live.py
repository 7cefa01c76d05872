"""The live page: the newest events as they are now. It asks again every second; between two questions it holds no
thread and no connection, and whoever may not see events any more is refused at once."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from processing.admin import show
from processing.domain.families import declared_types, families
from processing.domain.kinds import type_kind
from processing.domain.statuses import Status
from processing.models import InboxEvent
from processing.postgres.newest_events import LOOKED_AT, NewestEvent, Wanted, is_bounded, newest_events

MOST_PAGES = 8  # that one process serves at a time
GONE_S = 3.0  # a page that has not asked for so long is closed, hidden or paused
MOST_ROWS = 100
NAME_CHARS = 32
TOO_MANY = 429


class Watchers:
    """The pages that ask at the moment: `most` of them, no more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._asked_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def admit(self, page: str, now: float) -> bool:
        """Whether this page is served. `now`: of a monotonic clock, in seconds."""
        with self._lock:
            self._asked_at = {each: at for each, at in self._asked_at.items() if now - at < GONE_S}
            if page not in self._asked_at and len(self._asked_at) >= self._most:
                return False
            self._asked_at[page] = now
            return True


_watchers = Watchers(MOST_PAGES)


def live(request: HttpRequest) -> HttpResponse:
    """The page; with `page`, the name that it gave itself, only the part of it that changes."""
    if not request.user.has_perm("processing.view_inboxevent"):
        raise PermissionDenied
    asked_by = request.GET.get("page", "")[:NAME_CHARS]
    name = asked_by or secrets.token_urlsafe(12)
    wanted = {each: _text(request, each) for each in ("kind", "user", "status")}
    admitted = _watchers.admit(name, time.monotonic())
    context = {
        "rows": [_row(event) for event in newest_events(_wanted(**wanted), MOST_ROWS)] if admitted else [],
        "refused": not admitted,
        "again": f"{reverse('live')}?{urlencode({**wanted, 'page': name})}",
        "most_rows": MOST_ROWS,
        "most_pages": MOST_PAGES,
        "looked_at": LOOKED_AT if is_bounded(_wanted(**wanted)) else None,
    }
    status = 200 if admitted else TOO_MANY
    if asked_by:
        return TemplateResponse(request, "admin/processing/live_events.html", context, status=status)
    request.current_app = admin.site.name
    context |= {**admin.site.each_context(request), "title": "Live", "wanted": wanted}
    context |= {"kinds": _known_kinds(), "statuses": [each.value for each in Status]}
    return TemplateResponse(request, "admin/processing/live.html", context, status=status)


def _text(request: HttpRequest, name: str) -> str:
    """What no row can have finds none: Postgres knows no NUL."""
    return request.GET.get(name, "").replace("\0", "\ufffd")


def _wanted(kind: str, user: str, status: str) -> Wanted:
    family, _, event_type = kind.partition("/")
    return Wanted(user or None, family if kind else None, event_type or None, status or None)


def _row(event: NewestEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "url": show.change_url(InboxEvent, event.id),
        "at": event.received_at,
        "status": show.status(event.status),
        "kind": type_kind(event.family, event.type) if event.type else event.family,
        "user": event.user_id,
        "seq": event.seq,
        "attempts": event.attempts,
        "error": event.error or "",
    }


def _known_kinds() -> list[str]:
    """To choose from; others are free text."""
    return [
        name
        for family in families()
        for name in (
            family.name,
            *(type_kind(family.name, each) for each in sorted(declared_types(family.name)) if each),
        )
    ]
