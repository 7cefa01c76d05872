"""The admin's navigation: by the field's words, and only what its reader may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst


@dataclass(frozen=True)
class Page:
    """In the navigation, for those who may see its `model` (`app.model`): its list, or the view of this name. The icon
    is one of Material Symbols."""

    title: str
    icon: str
    model: str
    view: str = ""


PAGES: dict[str, tuple[Page, ...]] = {
    "Events": (
        Page("Live", "play_circle", "processing.inboxevent", view="live"),
        Page("Events", "inbox", "processing.inboxevent"),
        Page("Lanes", "linear_scale", "processing.lane"),
        Page("Product events", "shopping_cart", "ingest.productevent"),
        Page("Game events", "sports_esports", "ingest.gameevent"),
        Page("Revenue", "payments", "revenue.userrevenue"),
        Page("Ledger", "receipt_long", "revenue.ledgerentry"),
    ),
    "Failures": (
        Page("Groups", "stacks", "processing.failuregroup"),
        Page("Dead letters", "mail", "processing.deadletter"),
        Page("Kinds set aside", "pause_circle", "processing.kind"),
        Page("Losses", "heart_broken", "processing.loss"),
        Page("Passed gaps", "step_over", "processing.passedgap"),
    ),
    "Operation": (
        Page("Processes", "lan", "processing.process"),
        Page("Files", "upload_file", "processing.importrun"),
        Page("Operators' record", "history_edu", "processing.operatoraction"),
        Page("API keys", "key", "ingest.apikey"),
        Page("Users", "person", "auth.user"),
        Page("Groups of users", "group", "auth.group"),
    ),
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    admins = admin.site._registry.items()
    readable = {model._meta.label_lower: model._meta for model, page in admins if page.has_view_permission(request)}
    known = {page.model for pages in PAGES.values() for page in pages}
    others = [
        Page(capfirst(str(readable[name].verbose_name_plural)), "table", name) for name in readable if name not in known
    ]
    groups = [
        {"title": title, "separator": True, "items": [_item(page) for page in pages if page.model in readable]}
        for title, pages in {**PAGES, "More": others}.items()
    ]
    return [group for group in groups if group["items"]]


def _item(page: Page) -> dict[str, str]:
    view = page.view or f"admin:{page.model.replace('.', '_')}_changelist"
    return {"title": page.title, "icon": page.icon, "link": reverse(view)}
