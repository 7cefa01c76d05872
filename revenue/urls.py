"""The addresses of revenue."""

from django.urls import URLPattern, path

import ingest.urls  # noqa: F401 - it registers the path converter "any"
from revenue.views import LiveEventView, UserEventsView

urlpatterns: list[URLPattern] = [
    path("liveEvent", LiveEventView.as_view()),
    path("userEvents/<any:user_id>", UserEventsView.as_view()),
]
