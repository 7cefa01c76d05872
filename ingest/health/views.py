"""What those who run the site ask of it: health and metrics."""

from __future__ import annotations

import os
from functools import cache
from http import HTTPStatus

from django.http import HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from rest_framework.request import Request
from rest_framework.response import Response

from ingest.families.declaration import event_kinds
from ingest.health.checks import readiness
from ingest.health.waiting import EventsThatWait
from ingest.http.base import JsonView
from ingest.http.openapi import Described
from ingest.http.problems import Problem, retry_after
from processing.operators.gauges import OpenTransactionGauge, StateGauges
from processing.operators.loss_metric import OpenLosses

STATUS = {"type": "object", "properties": {"status": {"type": "string"}}, "examples": [{"status": "live"}]}
READY = {
    "type": "object",
    "properties": {
        "status": {"type": "string"},
        "degraded": {"type": "array", "items": {"type": "string"}, "description": "A line for each cause."},
    },
    "examples": [{"status": "ready"}],
}


class LiveView(JsonView):
    operations = {"GET": Described("Is the server up?", {200: STATUS}, tag="operations")}

    def get(self, request: Request) -> Response:
        return Response({"status": "live"})


class ReadyView(JsonView):
    operations = {"GET": Described("Can the site work?", {200: READY}, problems=(503,), tag="operations")}

    def get(self, request: Request) -> Response:
        found = readiness()
        if found.failing:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, found.error(), headers=retry_after(1), **found.members())
        return Response({"status": "ready", **found.members()})


@cache
def of_the_site() -> CollectorRegistry:
    """What is asked of a service at each scrape, not counted by a process: of the log and the lanes, and the metrics
    that kinds of event declare."""
    registry = CollectorRegistry()
    registry.register(OpenTransactionGauge())
    registry.register(StateGauges())
    registry.register(OpenLosses())
    registry.register(EventsThatWait())
    for kind in event_kinds():
        for collector in kind.metrics:
            registry.register(collector)
    return registry


class MetricsView(JsonView):
    """Of all web processes of this server, and of the site."""

    def get(self, request: Request) -> HttpResponse:
        registry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return HttpResponse(generate_latest(registry) + generate_latest(of_the_site()), CONTENT_TYPE_LATEST)
