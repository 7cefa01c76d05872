"""Edit and replay: a dead letter's payload, or the message of one that could not be read, in a form that is checked as
the door checks it."""

from __future__ import annotations

from collections.abc import Collection
from difflib import unified_diff
from typing import Any

import msgspec
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.confirming import REASON_CHARS, reason_in
from processing.admin.replay_start import AWAY, may_replay
from processing.domain.away import StoppedError
from processing.domain.envelope import Invalid
from processing.models import DeadLetter, Edit, InboxEvent, ReplayItem, ReplayRun
from processing.operators import edit
from processing.operators.chunks import Refused
from processing.postgres.edits import Letter

SHOWN = 20


def url_of(ids: Collection[str]) -> str:
    (id,) = ids
    return reverse("admin:processing_deadletter_edit", args=[quote(id)])


def edit_view(request: HttpRequest, object_id: str) -> HttpResponse:
    """GET shows the form; POST checks it, and replays the event as it is then."""
    if not may_replay(request):
        raise PermissionDenied
    id = unquote(object_id)
    if "\0" in id:
        raise Http404("No id has a NUL")
    back = show.change_url(InboxEvent, id)
    try:
        letter = edit.find(id)
        if request.method != "POST":
            return _form(request, letter, edit.text_of(letter))
        return _edit(request, letter)
    except Refused as refused:
        messages.warning(request, f"Left as it was: {refused}.")
    except StoppedError:
        messages.error(request, AWAY)
    return HttpResponseRedirect(back)


def _edit(request: HttpRequest, letter: Letter) -> HttpResponse:
    text, version = request.POST.get("text", ""), request.POST.get("version", "")
    if not reason_in(request):
        return _form(request, letter, text, reason_error="A reason is needed: it is kept on record.")
    try:
        run = edit.edit_and_replay(
            letter.id,
            text,
            version=int(version) if version.isdecimal() and len(version) < 10 else 0,
            actor=request.user.get_username(),
            reason=reason_in(request),
        )
    except Invalid as error:
        return _form(request, letter, text, error=error)
    return HttpResponseRedirect(show.change_url(ReplayRun, run))


def _form(
    request: HttpRequest, letter: Letter, text: str, error: Invalid | None = None, reason_error: str = ""
) -> HttpResponse:
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"Edit and replay {letter.id}",
        "opts": DeadLetter._meta,
        "letter": letter,
        "text": text,
        "rows": min(max(text.count("\n") + 2, 6), 30),
        "why": reason_in(request),
        "reason_chars": REASON_CHARS,
        "error": error,
        "reason_error": reason_error,
        "failed_with": InboxEvent.objects.filter(pk=letter.id).values_list("error", flat=True).first(),
        "key": show.raw_bytes(letter.message.key) if letter.poison else "",
        "headers": show.headers(letter.message.headers) if letter.poison and letter.message.headers else "",
        "url": url_of([letter.id]),
        "back": show.change_url(InboxEvent, letter.id),
    }
    return TemplateResponse(request, "admin/processing/edit.html", context, status=200 if error is None else 422)


def edits_of(event_id: str) -> SafeString | str:
    """What operators changed in an event, or in the message that carried it, the latest first."""
    carriers = ReplayItem.objects.filter(became=event_id).values_list("event_id", flat=True)[:SHOWN]
    found = Edit.objects.filter(Q(event_id__in=[event_id, *carriers])).order_by("-id")[:SHOWN]
    parts = format_html_join(
        "",
        "<p>{} by {}: {}</p>{}",
        ((show.utc(each.at), each.actor, each.reason, difference(each.before, each.after)) for each in found),
    )
    return parts or show.NOTHING


def difference(before: bytes | memoryview, after: bytes | memoryview) -> SafeString:
    """Line by line, as `diff -u` shows it."""
    lines = list(unified_diff(_lines(before), _lines(after), "before", "after", lineterm="", n=2))
    marked = format_html_join(
        "\n", '<span class="{}">{}</span>', (({"+": "plus", "-": "minus"}.get(line[0], ""), line) for line in lines)
    )
    return format_html('<pre class="text diff">{}</pre>', marked if lines else "no difference")


def _lines(content: bytes | memoryview) -> list[str]:
    text = bytes(content)[: show.TEXT_MAX_CHARS].decode("utf-8", "backslashreplace")
    try:
        return msgspec.json.format(text, indent=2).splitlines()
    except (msgspec.DecodeError, RecursionError):
        return text.splitlines()
