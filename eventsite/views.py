"""The page at `/`: where to go."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

PLACES = (
    ("/admin/", "what came in, what became of it, what failed and why; for operators"),
    ("/docs", "the endpoints, to read and to try"),
    ("/schema", "the same for programs, as OpenAPI 3.1"),
    ("/asyncapi", "the topics for programs, as AsyncAPI 3"),
    ("/health/ready", "what this process can do now, and what is wrong elsewhere"),
    ("/metrics", "for Prometheus"),
)


def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html", {"places": PLACES})
