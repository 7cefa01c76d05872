"""Traces, where OTEL_EXPORTER_OTLP_ENDPOINT says whither: an event's leads from its POST, over the `traceparent` of its
message, to each try that is committed. Without that variable nothing of OpenTelemetry is even imported."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from multiprocessing.util import Finalize
from typing import Any

from django.conf import settings

from processing.domain.failures import kind_of
from processing.domain.messages import Message
from processing.domain.outcomes import Outcome
from processing.domain.process import process_name

SEND_WITHIN_S = 3  # to a collector that is away no process owes more of its end
QUEUED = 20_000  # spans; more are dropped, which the log tells

Attributes = Mapping[str, str | int]


def is_on() -> bool:
    return bool(settings.OTEL_EXPORTER_OTLP_ENDPOINT)


@contextmanager
def sending(name: str, caller: str, attributes: Attributes) -> Iterator[str]:
    """The traceparent of what is sent meanwhile."""
    from opentelemetry.trace import SpanKind

    span = _tracer().start_span(name, _context(caller), SpanKind.SERVER, attributes)
    try:
        yield _traceparent(span.get_span_context())
    finally:
        span.end()


def tell_tries(outcomes: Sequence[Outcome], began: datetime | None) -> None:
    """A span for each try of an event that has a trace, from when its transaction began to try to now, its commit."""
    if not is_on() or began is None:
        return
    start = int(began.timestamp() * 1e9)
    from opentelemetry.trace import SpanKind, StatusCode

    for outcome in outcomes:
        message = None if outcome.arrival is None else outcome.arrival.message
        if message is None or message.traceparent is None:
            continue
        name, context = f"try {kind_of(outcome.event)}", _context(message.traceparent)
        span = _tracer().start_span(name, context, SpanKind.CONSUMER, _told(outcome, message), start_time=start)
        if outcome.failure is not None:  # class and place: no event's content
            span.set_status(StatusCode.ERROR, f"{outcome.failure.cause.error_class} in {outcome.failure.cause.place}")
        span.end(max(start, time.time_ns()))  # two clocks


def _told(outcome: Outcome, message: Message) -> Attributes:
    return {
        "event.id": outcome.event.id,
        "event.user": outcome.event.user_id,
        "event.type": outcome.event.type,
        "event.outcome": str(outcome.status),
        "event.attempt": outcome.attempts,
        "messaging.system": "kafka",
        "messaging.destination.name": message.topic or "",
        "messaging.destination.partition.id": str(message.partition),
        "messaging.kafka.offset": message.offset,
    }


def _context(traceparent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent})


def _traceparent(span: Any) -> str:
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"


@cache
def _tracer() -> Any:
    """This process's own, made when it is first needed: after a server's fork."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = {"service.name": settings.OTEL_SERVICE_NAME, "service.instance.id": process_name()}
    provider = TracerProvider(resource=Resource.create(name), shutdown_on_exit=False)
    address = f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip('/')}/v1/traces"
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=address, timeout=SEND_WITHIN_S), max_queue_size=QUEUED)
    )
    Finalize(None, provider.shutdown, exitpriority=1)  # `atexit` is not called in a server's forked workers
    return provider.get_tracer("eventsite")
