"""What a sender knew and this code does not: kept beside the row, told in the log, counted in a metric."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import structlog
from django.db import Error
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ingest.families.product_events.models import ProductEvent
from ingest.families.product_events.schema import ProductPayload
from processing.domain.envelope import Event
from processing.domain.fields import unnamed_fields
from processing.postgres.databases import connection

NAMES_TOLD = 10
NAME_MAX_CHARS = 100
CACHED_S = 10.0

log = structlog.get_logger(__name__)


def unknown_fields(event: Event) -> dict[str, Any]:
    """The part of the payload that the schema does not name, nested as it stood."""
    return unnamed_fields(ProductPayload, event.members)


def tell_unknown(fields: Iterable[dict[str, Any]]) -> None:
    """One line for a batch: which fields these are, for whoever decides that the schema is to learn them."""
    found = [each for each in fields if each]
    if not found:
        return
    names = sorted({path for each in found for path in paths(each)})
    log.warning(
        "product events have fields that this version does not know; they are kept in unknown_fields",
        events=len(found),
        fields=[name[:NAME_MAX_CHARS] for name in names[:NAMES_TOLD]],
    )


def paths(unknown: dict[str, Any]) -> Iterator[str]:
    """`giftWrap`, `shippingAddress.apartment`: what lies deeper is the sender's own affair."""
    for name, value in unknown.items():
        if name == "shippingAddress" and isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in value)
        else:
            yield name


class RowsWithUnknownFields(Collector):
    """The number of rows with unknown fields, as Postgres has it when it is asked, at most every CACHED_S.

    A count of the rows, not of what this process has seen: it is right whoever stored them, and falls when they are
    moved into columns. While Postgres cannot say, the metric is absent.
    """

    def __init__(self) -> None:
        self._rows: int | None = None
        self._until = 0.0

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [gauge()]  # so that registering it asks no database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if time.monotonic() >= self._until:
            self._rows = count_rows()
            self._until = time.monotonic() + CACHED_S
        if self._rows is not None:
            yield gauge(self._rows)


def gauge(rows: int | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "product_events_with_unknown_fields",
        "Stored product events that hold fields which no schema version knows",
        value=rows,
    )


def count_rows() -> int | None:
    """None when Postgres cannot say."""
    try:
        return ProductEvent.objects.filter(unknown_fields__isnull=False).count()
    except Error as error:
        connection.close()
        log.warning("product_events_with_unknown_fields is not told", error=" ".join(str(error).split()))
        return None
