"""The admin's navigation: by the names that the pages bear themselves, and only what its reader may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst


@dataclass(frozen=True)
class Page:
    """For those who may see its `model` (`app.model`): its list, or the view with this title and name. The icon is one
    of Material Symbols."""

    icon: str
    model: str
    title: str = ""
    view: str = ""


PAGES: dict[str, tuple[Page, ...]] = {
    "Events": (
        Page("monitoring", "processing.inboxevent", "Pipeline", "admin:index"),
        Page("play_circle", "processing.inboxevent", "Live", "live"),
        Page("inbox", "processing.inboxevent"),
        Page("linear_scale", "processing.lane"),
        Page("shopping_cart", "ingest.productevent"),
        Page("sports_esports", "ingest.gameevent"),
        Page("payments", "revenue.userrevenue"),
        Page("receipt_long", "revenue.ledgerentry"),
    ),
    "Failures": (
        Page("stacks", "processing.failuregroup"),
        Page("mail", "processing.deadletter"),
        Page("replay", "processing.replayrun"),
        Page("pause_circle", "processing.kind"),
        Page("output", "processing.effect"),
        Page("heart_broken", "processing.loss"),
        Page("step_over", "processing.passedgap"),
    ),
    "Operation": (
        Page("lan", "processing.process"),
        Page("upload_file", "processing.importrun"),
        Page("history_edu", "processing.operatoraction"),
        Page("key", "ingest.apikey"),
        Page("person", "auth.user"),
        Page("group", "auth.group"),
    ),
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    admins = admin.site._registry.items()
    readable = {model._meta.label_lower: model._meta for model, page in admins if page.has_view_permission(request)}
    known = {page.model for pages in PAGES.values() for page in pages}
    others = [Page("table", name) for name in readable if name not in known]
    sections = {
        title: [_item(page, readable[page.model]) for page in pages if page.model in readable]
        for title, pages in {**PAGES, "More": others}.items()
    }
    return [{"title": title, "separator": True, "items": items} for title, items in sections.items() if items]


def _item(page: Page, model: Any) -> dict[str, str]:
    view = page.view or f"admin:{page.model.replace('.', '_')}_changelist"
    title = page.title or capfirst(str(model.verbose_name_plural))
    return {"title": title, "icon": page.icon, "link": reverse(view)}
