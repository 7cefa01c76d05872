"""What a list shows, as a file: CSV or JSON, streamed, bounded."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from django.db.models import QuerySet
from django.http import StreamingHttpResponse

MOST = 100_000
CHUNK = 1_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would execute
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}

Row = Sequence[Any]

_encode = msgspec.json.Encoder(decimal_format="number").encode


def export(queryset: QuerySet[Any], columns: Sequence[str], name: str, kind: str) -> StreamingHttpResponse:
    """The keys are read at once, so that rows which come meanwhile move nothing; the rows as they are sent."""
    keys = list(queryset.values_list("pk", flat=True)[: MOST + 1])
    more = len(keys) > MOST
    rows = _rows(queryset, keys[:MOST], columns)
    body = _csv(rows, columns, more=more) if kind == "csv" else _json(rows, columns, more=more)
    response = StreamingHttpResponse(body, content_type=CONTENT_TYPES[kind])
    filename = f"{name}-first-{MOST}.{kind}" if more else f"{name}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def _rows(queryset: QuerySet[Any], keys: Sequence[Any], columns: Sequence[str]) -> Iterator[Row]:
    everything = queryset.model._default_manager.order_by()
    for first in range(0, len(keys), CHUNK):
        chunk = keys[first : first + CHUNK]
        found = {key: row for key, *row in everything.filter(pk__in=chunk).values_list("pk", *columns)}
        yield from (found[key] for key in chunk if key in found)


def _csv(rows: Iterable[Row], columns: Sequence[str], *, more: bool) -> Iterator[str]:
    yield _line(columns)
    for row in rows:
        yield _line([_cell(value) for value in row])
    if more:
        yield _line([f"only the first {MOST} rows: filter more narrowly"])


def _line(values: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _json(rows: Iterable[Row], columns: Sequence[str], *, more: bool) -> Iterator[bytes]:
    yield b'{"rows": [\n'
    for number, row in enumerate(rows):
        yield (b",\n" if number else b"") + _encode(dict(zip(columns, row, strict=True)))
    yield b'\n], "more": %s}\n' % (b"true" if more else b"false")
