"""Lists by pages, newest first: what a family declares of its own, and how a page is read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.db.models import Model, Q, QuerySet

from ingest.wire.timestamps import EPOCH, parse_timestamp
from processing.envelope import MAX_SEQ, Invalid

PAGE_SIZE = 50
PAGE_MAX = 500


@dataclass(frozen=True)
class Listing:
    """How rows are found and shown. `filters`: query parameter to column; `time` and `id` are the columns of order."""

    rows: Callable[[], QuerySet[Any]]
    show: Callable[[Any], dict[str, Any]]
    filters: Mapping[str, str]
    time: str
    id: str = "id"
    whole_id: bool = True  # the id is a number
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)  # parameters that take only these values

    def parameters(self) -> list[str]:
        return [*self.filters, "since", "until", "cursor", "limit"]


@dataclass(frozen=True)
class Query:
    """What a request asks for."""

    equal: Mapping[str, str]
    since: datetime | None
    until: datetime | None
    after: tuple[datetime, int | str] | None  # the last row of the page before
    limit: int


def parse_query(listing: Listing, parameters: Mapping[str, str]) -> Query:
    """Raises `Invalid`."""
    for name, value in parameters.items():
        if name not in listing.parameters():
            raise Invalid(name, f"is not a known parameter; there are {', '.join(listing.parameters())}")
        if "\0" in value:
            raise Invalid(name, "has a NUL character")
        if name in listing.choices and value not in listing.choices[name]:
            raise Invalid(name, f"must be one of {', '.join(listing.choices[name])}")
    return Query(
        equal={column: parameters[name] for name, column in listing.filters.items() if name in parameters},
        since=_moment(parameters, "since"),
        until=_moment(parameters, "until"),
        after=_parse_cursor(parameters["cursor"], listing) if "cursor" in parameters else None,
        limit=_parse_limit(parameters.get("limit", str(PAGE_SIZE))),
    )


def read_page(listing: Listing, query: Query) -> dict[str, Any]:
    """`events`, newest first, and `next`: the cursor of the next page, null on the last."""
    rows = listing.rows().filter(**query.equal)
    if query.since:
        rows = rows.filter(**{f"{listing.time}__gte": query.since})
    if query.until:
        rows = rows.filter(**{f"{listing.time}__lt": query.until})
    if query.after:
        rows = rows.filter(_older(listing, *query.after))
    found = list(rows.order_by(f"-{listing.time}", f"-{listing.id}")[: query.limit + 1])
    shown = found[: query.limit]
    more = len(found) > query.limit
    return {"events": [listing.show(row) for row in shown], "next": _cursor(listing, shown[-1]) if more else None}


def _older(listing: Listing, time: datetime, id: int | str) -> Q:
    # the first condition follows from the others; it is what an index can use
    same = Q(**{listing.time: time, f"{listing.id}__lt": id})
    return Q(**{f"{listing.time}__lte": time}) & (Q(**{f"{listing.time}__lt": time}) | same)


def _moment(parameters: Mapping[str, str], name: str) -> datetime | None:
    if name not in parameters:
        return None
    text = parameters[name]
    stamp = int(text) if text.removeprefix("-").isdecimal() and len(text) < 20 else text
    return EPOCH + timedelta(milliseconds=parse_timestamp(stamp, name))


def _parse_limit(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= PAGE_MAX:
        raise Invalid("limit", f"must be an integer from 1 to {PAGE_MAX}")
    return int(text)


def _cursor(listing: Listing, row: Model) -> str:
    microseconds = (getattr(row, listing.time) - EPOCH) // timedelta(microseconds=1)
    text = msgspec.json.encode([microseconds, getattr(row, listing.id)])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _parse_cursor(cursor: str, listing: Listing) -> tuple[datetime, int | str]:
    kind: Any = tuple[int, int] if listing.whole_id else tuple[int, str]
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        microseconds, id = msgspec.json.decode(text, type=kind)
        if (isinstance(id, int) and abs(id) > MAX_SEQ) or (isinstance(id, str) and "\0" in id):
            raise ValueError
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds), id
    except (binascii.Error, UnicodeError, msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise Invalid("cursor", "is none of ours: take it from the page before") from error


def unix_ms(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // timedelta(milliseconds=1)


def without_nulls(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
