"""Rebuilds the hot state from Postgres while everything runs: versions keep it from undoing newer writes. What
HOT_STATE leaves out is deleted, where it was written before.

Each function works in chunks and yields the number of events or users after each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings

from processing.domain.outcomes import HotStateUpdate
from processing.hot_state.write import (
    drop,
    drop_order_lists,
    is_on,
    listed_dead_letters,
    put_dead_letters_back,
    rebuild_order_lists,
    write_hot_state,
)
from processing.postgres.dead_letters import open_after
from processing.postgres.hot_rows import final_since, users_with_lanes

ROWS = 1000


def rebuild_dead_letters() -> Iterator[int]:
    """First the ids in Redis' list, some of which may no longer be dead letters, then all open ones by age."""
    put_dead_letters_back()
    for ids in listed_dead_letters(ROWS):
        _rebuild(ids, are_listed=True)
    after = (datetime.min.replace(tzinfo=UTC), "")
    while True:
        found = open_after(after, ROWS)
        if not found:
            return
        _rebuild([id for _, id in found])
        after = found[-1]
        yield len(found)


def rebuild_events() -> Iterator[int]:
    """The events that became final within HOT_STATE_TTL_S."""
    since = datetime.now(UTC) - timedelta(seconds=settings.HOT_STATE_TTL_S)
    after = ""
    while True:
        ids = final_since(since, after, ROWS)
        if not ids:
            return
        _rebuild(ids)
        after = ids[-1]
        yield len(ids)


def rebuild_all_order_lists() -> Iterator[int]:
    """The order lists of all lanes."""
    after = ""
    while True:
        users = users_with_lanes(after, ROWS)
        if not users:
            return
        if settings.HOT_STATE == "all":
            rebuild_order_lists(users)
        else:
            drop_order_lists(users)
        after = users[-1]
        yield len(users)


def _rebuild(ids: Sequence[str], *, are_listed: bool = False) -> None:
    if is_on():
        write_hot_state(HotStateUpdate(refresh=ids), are_listed=are_listed)
    else:
        drop(ids)
