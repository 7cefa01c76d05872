"""How a page is read: along one index, whatever Postgres believes of its rows.

Its planner takes rows that match to be spread evenly over time. For the newest 50 of a user who did a million things
last year it would walk the index of all events by time, through all that came since. So a page is read along a *path*:
an index that begins with columns of the query and goes on with the time. Its columns are part of the order, and sorting
is forbidden, so that no other index will do.

What no index holds together (a user's events of one type) is looked for in a path's next `WINDOW` rows. If that is not
enough for a page, the page is short or empty, and its cursor goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F, Lookup, Q, QuerySet
from django.db.models.indexes import Index

from ingest.reading.cursors import Place, write_cursor
from ingest.reading.listing import Listing, Query
from processing.postgres.databases import connection

if TYPE_CHECKING:
    _Lookup = Lookup[Any]
else:
    _Lookup = Lookup

WINDOW = 5_000  # rows: some milliseconds


@dataclass(frozen=True)
class Path:
    """An index that the list can be read along. `columns` have one value each; `order` is the way the index runs."""

    columns: frozenset[str] = frozenset()
    order: tuple[str, ...] = ()


class IsOneOf(_Lookup):
    """`=` to all but the planner, which drops a constant column from the order and then takes any index by time."""

    lookup_name = "is_one_of"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, before = self.process_lhs(compiler, connection)
        value, after = self.process_rhs(compiler, connection)
        return f"{column} = ANY (ARRAY[{value}])", (*before, *after)


@dataclass(frozen=True)
class _Search:
    """Rows in the path's order that its index tells by itself, and what has to be looked up in each of them."""

    rows: QuerySet[Any]
    rest: Q
    floor: datetime | None  # the end of the window; older ones are not looked at


def read_page(listing: Listing, query: Query) -> dict[str, Any]:
    """`events`, newest first, and `next`: the cursor of the next page, null on the last."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = off")
        found, floor = _find(listing, query)
    shown = found[: query.limit]
    end = _place(listing, shown[-1]) if len(found) > query.limit else _behind(listing, floor)
    following = None if end is None else write_cursor(end, listing.cursor_name())
    return {"events": [listing.show(row) for row in shown], "next": following}


def paths(listing: Listing, equal: Mapping[str, str]) -> list[Path]:
    """The indexes to read along, none of which another outdoes."""
    found = [path for index in listing.rows().model._meta.indexes if (path := _path(listing, index, equal))]
    best = [path for path in found if not any(path.columns < other.columns for other in found)]
    return best or [Path(order=(f"-{listing.time}",))]


def _path(listing: Listing, index: Index, equal: Mapping[str, str]) -> Path | None:
    order = index.fields or [each.name for each in index.expressions if isinstance(each, F)]  # type: ignore[attr-defined]
    names = [name.removeprefix("-") for name in order]
    if listing.time not in names or (index.condition is not None and index.name not in listing.partial):
        return None
    leading = names.index(listing.time)
    if not set(names[:leading]) <= equal.keys():
        return None
    newest_first = order[leading].startswith("-")
    own = order[: leading + 1] if newest_first else [_turned(name) for name in order[: leading + 1]]
    return Path(frozenset(names[:leading]), tuple(own))


def _turned(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _find(listing: Listing, query: Query) -> tuple[list[Any], datetime | None]:
    """Up to one row more than the page shows; if there are fewer, how far back was looked (None: to the end).

    By the path that is shorter than a window if there is one, else by the first that fills the page, else by the one
    that goes furthest back.
    """
    searches = [_search(listing, query, path) for path in paths(listing, query.equal)]
    furthest: tuple[list[Any], datetime | None] = ([], None)
    for search in sorted(searches, key=lambda search: search.floor is not None):
        found = list(search.rows.filter(search.rest)[: query.limit + 1])
        if search.floor is None or len(found) > query.limit:
            return found, search.floor
        if furthest[1] is None or search.floor < furthest[1]:
            furthest = (found, search.floor)
    return furthest


def _search(listing: Listing, query: Query, path: Path) -> _Search:
    rows = _in_order(listing, query, path)
    rest = Q(**{column: value for column, value in query.equal.items() if column not in path.columns})
    if listing.period:
        rest &= _between(listing.period, query)
    floor = _floor(listing, rows, path) if rest else None
    return _Search(rows, rest if floor is None else rest & Q(**{f"{listing.time}__gte": floor}), floor)


def _in_order(listing: Listing, query: Query, path: Path) -> QuerySet[Any]:
    """All that the path's index tells by itself."""
    rows = listing.rows().filter(*(IsOneOf(F(column), query.equal[column]) for column in sorted(path.columns)))
    if not listing.period:
        rows = rows.filter(_between(listing.time, query))
    if query.after:
        rows = rows.filter(_older(listing, query.after))
    return rows.order_by(*path.order, f"-{listing.id}")


def _floor(listing: Listing, rows: QuerySet[Any], path: Path) -> datetime | None:
    """The time of the last row of the window; None if there are not so many."""
    times = rows.order_by(*path.order).values_list(listing.time, flat=True)  # the index alone knows these
    return next(iter(times[WINDOW - 1 : WINDOW]), None)


def _between(column: str, query: Query) -> Q:
    limits = {f"{column}__gte": query.since, f"{column}__lt": query.until}
    return Q(**{limit: moment for limit, moment in limits.items() if moment is not None})


def _older(listing: Listing, place: Place) -> Q:
    # the first condition follows from the others; it is what an index can use
    same = Q(**{listing.time: place.time, f"{listing.id}__lt": place.id})
    return Q(**{f"{listing.time}__lte": place.time}) & (Q(**{f"{listing.time}__lt": place.time}) | same)


def _place(listing: Listing, row: Any) -> Place:
    return Place(getattr(row, listing.time), getattr(row, listing.id))


def _behind(listing: Listing, floor: datetime | None) -> Place | None:
    """Behind all rows of this time."""
    return None if floor is None else Place(floor, 0 if listing.whole_id else "")
