"""The hot state anew from Postgres, while everything runs: versions keep it from undoing what is newer.

Each function works in chunks and yields after each how many it did.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.conf import settings

from processing.domain.outcomes import HotStateUpdate
from processing.domain.statuses import FINAL
from processing.hot_state.write import listed_dead_letters, rebuild_order_lists, write_hot_state
from processing.postgres.transaction import raw_cursor

ROWS = 1000


def rebuild_dead_letters() -> Iterator[int]:
    """First what the list in Redis names (some of it may be no dead letter any more), then all open ones by age."""
    for ids in listed_dead_letters(ROWS):
        write_hot_state(HotStateUpdate(refresh=ids))
    after = (datetime.min.replace(tzinfo=UTC), "")
    while True:
        cursor = raw_cursor().execute(
            """SELECT queued_at, event_id FROM processing_deadletter
               WHERE discarded_at IS NULL AND queued_at >= %s AND (queued_at, event_id) > (%s, %s)
               ORDER BY queued_at, event_id LIMIT %s""",
            (after[0], *after, ROWS),
        )
        found = cursor.fetchall()
        if not found:
            return
        write_hot_state(HotStateUpdate(refresh=[id for _, id in found]))
        after = found[-1]
        yield len(found)


def rebuild_events() -> Iterator[int]:
    """The events that became final so lately that their hot state would still be there."""
    since = datetime.now(UTC) - timedelta(seconds=settings.HOT_STATE_TTL_S)
    after = ""
    while True:
        cursor = raw_cursor().execute(
            "SELECT id FROM processing_inboxevent WHERE id > %s AND status = ANY(%s) AND final_at >= %s ORDER BY id LIMIT %s",
            (after, sorted(FINAL), since, ROWS),
        )
        ids = [id for (id,) in cursor]
        if not ids:
            return
        write_hot_state(HotStateUpdate(refresh=ids))
        after = ids[-1]
        yield len(ids)


def rebuild_all_order_lists() -> Iterator[int]:
    """The order lists of all lanes."""
    after = ""
    while True:
        cursor = raw_cursor().execute(
            "SELECT user_id FROM processing_lane WHERE user_id > %s ORDER BY user_id LIMIT %s", (after, ROWS)
        )
        users = [user for (user,) in cursor]
        if not users:
            return
        rebuild_order_lists(users)
        after = users[-1]
        yield len(users)
