"""Lists by pages, newest first: what a family declares of its own, and what a request may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from ingest.reading.cursors import Place, parse_cursor
from processing.domain.envelope import EPOCH, MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, Invalid
from processing.domain.statuses import Status
from processing.domain.timestamps import parse_time

PAGE_SIZE = 50
PAGE_MAX = 500
STATUS = "status"
HALF_MS = timedelta(microseconds=500)


@dataclass(frozen=True)
class Listing:
    """How rows are found and shown. `filters`: query parameter to column; `time` and `id` are the columns of order.

    A filter wants an index of its column, `-time` and `-id` in the model's `Meta`; without one it works, a bounded
    number of rows at a time (see `pages.py`).
    """

    rows: Callable[[], QuerySet[Any]]
    show: Callable[[Any], dict[str, Any]]
    filters: Mapping[str, str]
    time: str
    id: str = "id"
    whole_id: bool = True  # the id is a number
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)  # parameters that take only these values
    name: str = ""  # whose cursors it takes; empty: its table's
    fixed: Mapping[str, str] = field(default_factory=dict)  # column to value: the part of the table that is listed
    common: Mapping[str, str] = field(default_factory=dict)  # members that all rows have, each a parameter as well
    period: str = ""  # the column that `since` and `until` are about, if it is not `time`
    partial: Sequence[str] = ()  # partial indexes that hold all its rows
    stored_at: str = ""  # the column of the time at which the row's event was processed
    sample: Callable[[], Any] | None = None  # makes a row for the OpenAPI document to show; it is not stored

    def parameters(self) -> list[str]:
        return [*self.filters, *self.common, "since", "until", "cursor", "limit"]

    def cursor_name(self) -> str:
        return self.name or self.rows().model._meta.db_table


@dataclass(frozen=True)
class Lists:
    """What an address lists: `usual`, or for a status other than processed `unhappy`."""

    usual: Listing
    unhappy: Listing

    def choose(self, parameters: Mapping[str, str]) -> Listing:
        """Raises `Invalid` for a parameter that the list of this status does not have."""
        status = parameters.get(STATUS, Status.PROCESSED)
        if status == Status.PROCESSED or status not in list(Status):
            return self.usual
        for name in parameters:
            if name in self.usual.filters and name not in self.unhappy.filters:
                raise Invalid(name, f"is known of processed events only: ask without status={status}")
        return self.unhappy


@dataclass(frozen=True)
class Query:
    """What a request asks for. `equal` is by column; `after` is the last row of the page before."""

    equal: Mapping[str, str]
    since: datetime | None
    until: datetime | None
    after: Place | None
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
    asked = {column: parameters[name] for name, column in listing.filters.items() if name in parameters}
    return Query(
        equal={**listing.fixed, **asked},
        since=_moment(parameters, "since"),
        until=_moment(parameters, "until"),
        after=_parse_after(listing, parameters),
        limit=_parse_limit(parameters.get("limit", str(PAGE_SIZE))),
    )


def _parse_after(listing: Listing, parameters: Mapping[str, str]) -> Place | None:
    if "cursor" not in parameters:
        return None
    return parse_cursor(parameters["cursor"], listing.cursor_name(), whole_id=listing.whole_id)


def _moment(parameters: Mapping[str, str], name: str) -> datetime | None:
    if name not in parameters:
        return None
    text = parameters[name]
    if not (text.removeprefix("-").isdecimal() and len(text) < 20):
        return EPOCH + timedelta(milliseconds=parse_time(text, name))
    stamp = int(text)  # a bound may be of any time, 0 as a rule for all
    if not MIN_TIMESTAMP_MS <= stamp <= MAX_TIMESTAMP_MS:
        raise Invalid(name, "must lie in the years 1 to 9999")
    return EPOCH + timedelta(milliseconds=stamp)


def _parse_limit(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= PAGE_MAX:
        raise Invalid("limit", f"must be an integer from 1 to {PAGE_MAX}")
    return int(text)


def unix_ms(moment: datetime | None) -> int | None:
    """To the nearest: Postgres, which reads a time in seconds as a float, is some microseconds off in a far century."""
    return None if moment is None else (moment - EPOCH + HALF_MS) // (2 * HALF_MS)


def without_nulls(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
