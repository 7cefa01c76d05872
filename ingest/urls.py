"""The door's addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern, path, re_path, register_converter
from django.views.decorators.csrf import csrf_exempt

from ingest import views
from ingest.families.declaration import EventKind, event_kinds
from ingest.families.lists import family_lists
from ingest.health import views as health_views
from ingest.http.answers import ACCEPTED, DUPLICATE, MANY
from ingest.http.openapi import IDEMPOTENCY_KEY, Described, either, one_or_many
from ingest.http.problems import not_found
from ingest.reading.views import EventView, listing_operation


class AnyText:
    """A path converter for event ids, which may have slashes and line breaks in them."""

    regex = "(?s:.+)"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(AnyText, "any")


def family_path(kind: EventKind) -> URLPattern:
    """The endpoint of a kind of event: derived from its declaration alone."""
    lists = family_lists(kind)
    operations = {
        **listing_operation(lists),
        "POST": Described(
            f"Take one {kind.form.fixed_type or kind.name} event, or a list of them",
            {202: either(ACCEPTED, MANY), 200: DUPLICATE},
            one_or_many(kind),
            views.PROBLEMS,
            (IDEMPOTENCY_KEY,),
        ),
    }
    options: dict[str, Any] = {"kind": kind, "lists": lists, "operations": operations}
    view: Callable[..., HttpResponseBase] = views.FamilyView.as_view(**options)
    return path(kind.form.path, view)


app_name = "ingest"  # a project includes it below any prefix
urlpatterns: list[URLPattern] = [
    path("events", views.EventsView.as_view()),
    path("events/batch", views.EventBatchView.as_view()),
    *(family_path(kind) for kind in event_kinds() if kind.form.path),
    path("events/<any:event_id>", EventView.as_view(), name="event"),
    path("health/live", health_views.LiveView.as_view()),
    path("health/ready", health_views.ReadyView.as_view()),
    path("metrics", health_views.MetricsView.as_view()),
]

# the last of all, so that no path has an answer of another kind; whatever the method, and without a token for forms
unknown_path = re_path(r"^", csrf_exempt(not_found))
