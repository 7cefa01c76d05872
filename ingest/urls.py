"""The door's addresses."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from ingest import views
from ingest.http.problems import not_found
from ingest.wire.bodies import bodies

urlpatterns: list[URLPattern] = [
    path("events", views.EventsView.as_view()),
    path("events/batch", views.EventBatchView.as_view()),
    *(path(body.path, views.FamilyView.as_view(body=body)) for body in bodies() if body.path),
]

# the last of all, so that no path has an answer of another kind
unknown_path = re_path(r"^(?!admin/|static/)", not_found)
