"""Events that wait: which are due, which lanes hold them, which of a lane can run.

Functions without a cursor are for callers outside of a transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from processing.domain.lanes import LaneState, PassableGaps
from processing.domain.messages import Arrival, Message
from processing.domain.outcomes import Attempt
from processing.domain.statuses import Status
from processing.domain.tally import ms_of
from processing.domain.validate import restore_event
from processing.postgres.inbox import WAITING_STATUSES
from processing.postgres.transaction import Cursor, raw_cursor

TURN_ROWS = 1000  # events that one transaction releases at most
TURN_CHARS = 16_000_000  # and their payloads' text, at most

_IS_DUE: LiteralString = "next_attempt_at <= clock_timestamp()"
# an event `r` of a lane with that front: what was replayed before it outside of the lane is through with its tries
_IS_DUE_IN_LANE: LiteralString = f"""{_IS_DUE} AND (replay IS NULL OR NOT EXISTS (
    SELECT FROM processing_inboxevent e WHERE e.status = 'retrying' AND e.user_id = r.user_id AND e.replay = r.replay
      AND e.replay IS NOT NULL AND e.replay_order < r.replay_order AND (e.seq IS NULL OR e.seq < front)))"""


def _columns(is_due: LiteralString) -> LiteralString:
    """As `_waiting` reads them."""
    return f"""id, user_id, type, family, seq, payload, round(extract(epoch FROM occurred_at) * 1000)::bigint,
               attempts, attempt_limit, status, {is_due}, partition, "offset", import_run,
               traceparent, topic, waits_for, received_at"""


@dataclass(frozen=True)
class WaitingEvent:
    """An inbox row that waits, as it can be tried again. `due`: it is retrying, its pause is over, and it waits for
    nothing that was replayed with it.

    `waits_for`: the kind that it waits for, unless that is its lane or its pause.
    """

    attempt: Attempt
    status: Status
    due: bool
    topic: str | None
    waits_for: str | None
    received_at: datetime

    @property
    def seq(self) -> int:
        """Of one that waits in a lane."""
        assert self.attempt.event.seq is not None
        return self.attempt.event.seq


def waiting_in_lanes(
    cursor: Cursor, lanes: Sequence[LaneState], passable: Mapping[str, PassableGaps]
) -> dict[str, list[WaitingEvent]]:
    """The events that wait in these (locked) lanes from their front up to a gap that cannot be passed, by user.

    Bounded, so ask again. In a lane that was set back only the first gap can be passed at once: seqs that seem to miss
    behind it may belong to final events.
    """
    if not lanes:
        return {}
    cursor.execute(
        f"""SELECT {_columns(_IS_DUE_IN_LANE)} FROM unnest(%(users)s::text[], %(fronts)s::bigint[], %(until)s::bigint[],
                                                %(set_back)s::bool[]) AS l(lane, front, until, set_back),
            LATERAL (
              SELECT p.*, bool_or(seq > before + 1 AND (seq > until OR (set_back AND position > 1))) OVER (
                            ORDER BY seq) AS behind_gap
              FROM (
                SELECT n.*, row_number() OVER w AS position, sum(length(payload)) OVER w AS chars,
                       lag(seq, 1, front - 1) OVER w AS before
                FROM (
                  SELECT * FROM processing_inboxevent
                  WHERE user_id = l.lane AND seq >= l.front AND (status = ANY(%(waiting)s)) IS TRUE
                  ORDER BY seq LIMIT %(rows)s) n
                WINDOW w AS (ORDER BY seq)) p) r
            WHERE NOT behind_gap AND (position = 1 OR chars <= %(chars)s)
            ORDER BY user_id, seq""",
        {
            "users": [lane.user_id for lane in lanes],
            "fronts": [lane.next_seq for lane in lanes],
            "until": [_passable_until(lane, passable) for lane in lanes],
            "set_back": [lane.set_back_from is not None for lane in lanes],
            "waiting": WAITING_STATUSES,
            "rows": max(1, TURN_ROWS // len(lanes)),
            "chars": TURN_CHARS // len(lanes),
        },
    )
    runs: dict[str, list[WaitingEvent]] = {}
    for row in cursor:
        runs.setdefault(row[1], []).append(_waiting(row, ordering_key=row[1]))
    return runs


def _passable_until(lane: LaneState, passable: Mapping[str, PassableGaps]) -> int:
    found = passable.get(lane.user_id)
    return 0 if found is None else found.before(lane)


def lock_retries(cursor: Cursor, ids: Collection[str], lanes: Collection[LaneState]) -> list[WaitingEvent]:
    """The retrying events among `ids` that no lane holds (no seq, or replayed after their lane passed it), locked, and
    those without seq that wait for their kind, in the order in which they came.

    A replayed event brings all events that were replayed with it, in order, since these may wait for it. A row that
    another process has locked is left out, with what was replayed behind it.
    """
    fronts = {lane.user_id: lane.next_seq for lane in lanes}
    places = _with_what_was_replayed(cursor, ids)
    cursor.execute(
        f"""SELECT {_columns(_IS_DUE)}, replay FROM processing_inboxevent
            WHERE id = ANY(%s) AND (status = 'retrying' OR status = 'held' AND seq IS NULL) IS TRUE
            ORDER BY id FOR UPDATE SKIP LOCKED""",
        (list(places),),
    )
    rows = {row[0]: row for row in cursor if row[4] is None or row[4] < fronts.get(row[1], 0)}
    found: list[WaitingEvent] = []
    reached: dict[tuple[str, int], int] = {}
    for id, (replay, position) in places.items():
        row = rows.get(id)
        if row is None or row[-1] != replay:
            continue
        if replay is None:
            found.append(_waiting(row, ordering_key=None))
        elif position == reached.get((row[1], replay), 0) + 1:
            reached[row[1], replay] = position
            found.append(_waiting(row, ordering_key=(row[1], replay)))
    return found


def _with_what_was_replayed(cursor: Cursor, ids: Collection[str]) -> dict[str, tuple[int | None, int]]:
    """The retrying ones of these ids, and all that was replayed with them: by id the replay and the position in it.

    In a statement of its own, each step through an index: right after a replay the planner's statistics know nothing
    of its rows, and whatever it joins them with goes through them once for each.
    """
    cursor.execute(
        """WITH chains AS (
             SELECT DISTINCT user_id, replay FROM processing_inboxevent
             WHERE id = ANY(%(ids)s) AND (status = 'retrying') IS TRUE AND replay IS NOT NULL)
           SELECT id, replay, position FROM (
             SELECT id, replay, 0 AS position, replay_order, arrival, received_at, "offset" FROM processing_inboxevent
             WHERE id = ANY(%(ids)s)
               AND (status = 'retrying' AND replay IS NULL OR status = 'held' AND seq IS NULL) IS TRUE
             UNION ALL
             SELECT t.* FROM chains c CROSS JOIN LATERAL (
               SELECT id, replay, row_number() OVER (ORDER BY replay_order) AS position, replay_order, arrival,
                      received_at, "offset"
               FROM processing_inboxevent i
               WHERE i.user_id = c.user_id AND i.replay = c.replay AND i.status = 'retrying' AND i.replay IS NOT NULL
               ORDER BY replay_order LIMIT %(rows)s) t) w
           ORDER BY replay NULLS FIRST, replay_order, arrival, received_at, "offset", id LIMIT %(rows)s""",
        {"ids": list(ids), "rows": TURN_ROWS},
    )
    return {id: (replay, position) for id, replay, position in cursor}


def lanes_and_ids(ids: Collection[str]) -> tuple[set[str], set[str]]:
    """The users of the lanes that hold these waiting ids, and the ids that no lane holds."""
    cursor = raw_cursor().execute(
        """SELECT i.id, i.user_id, i.seq IS NOT NULL AND i.seq >= coalesce(l.next_seq, 1)
           FROM processing_inboxevent i LEFT JOIN processing_lane l ON l.user_id = i.user_id AND i.seq IS NOT NULL
           WHERE i.id = ANY(%s) AND (i.status = ANY(%s)) IS TRUE""",
        (list(ids), WAITING_STATUSES),
    )
    users: set[str] = set()
    free: set[str] = set()
    for id, user_id, in_lane in cursor:
        users.add(user_id) if in_lane else free.add(id)
    return users, free


def users_of_late_events(cursor: Cursor, ids: Collection[str]) -> set[str]:
    """The users whose lanes must be locked before these ids run: those of events that have a seq."""
    cursor.execute(
        "SELECT DISTINCT user_id FROM processing_inboxevent WHERE id = ANY(%s) AND seq IS NOT NULL", (list(ids),)
    )
    return {user_id for (user_id,) in cursor}


def highest_waiting(cursor: Cursor, users: Collection[str], without: Collection[str] = ()) -> dict[str, int]:
    """The highest seq that waits in each of these users' lanes; those where none waits are left out.

    `without`: ids of events that do not count.
    """
    if not users:
        return {}
    cursor.execute(
        """SELECT l.lane, w.seq FROM unnest(%s::text[]) AS l(lane), LATERAL (
             SELECT i.seq FROM processing_inboxevent i
             WHERE i.user_id = l.lane AND i.seq IS NOT NULL AND (i.status = ANY(%s)) IS TRUE AND i.id <> ALL(%s)
             ORDER BY i.seq DESC LIMIT 1) w""",
        (sorted(users), WAITING_STATUSES, list(without)),
    )
    return dict(cursor.fetchall())


def still_waiting(cursor: Cursor, fronts: dict[str, int]) -> set[str]:
    """Of these users (with their next seq), those who have events waiting in their lane."""
    cursor.execute(
        # not EXISTS: for many users the planner would read all that has a seq, to join it with them
        """SELECT l.lane FROM unnest(%s::text[], %s::bigint[]) AS l(lane, front), LATERAL (
             SELECT FROM processing_inboxevent i
             WHERE i.user_id = l.lane AND i.seq >= l.front AND (i.status = ANY(%s)) IS TRUE
             ORDER BY i.seq LIMIT 1) w""",
        (list(fronts), list(fronts.values()), WAITING_STATUSES),
    )
    return {user_id for (user_id,) in cursor}


def waiting_fronts(cursor: Cursor, users: Collection[str]) -> list[str]:
    """The waiting events that are next in these users' lanes."""
    cursor.execute(
        """SELECT i.id FROM processing_lane l
           JOIN processing_inboxevent i ON i.user_id = l.user_id AND i.seq = l.next_seq
           WHERE l.user_id = ANY(%s) AND (i.status = ANY(%s)) IS TRUE""",
        (list(users), WAITING_STATUSES),
    )
    return [id for (id,) in cursor]


def make_due(cursor: Cursor, ids: Collection[str]) -> list[str]:
    """Make these retrying events due now, in byte order, unless they wait for their kind. Returns them, ascending."""
    cursor.execute(
        """UPDATE processing_inboxevent SET next_attempt_at = now() WHERE id IN (
             SELECT id FROM processing_inboxevent WHERE id = ANY(%s) AND (status = %s) IS TRUE AND waits_for IS NULL
             ORDER BY id FOR UPDATE)
           RETURNING id""",
        (list(ids), Status.RETRYING),
    )
    return sorted(id for (id,) in cursor)


def overdue_retries(patience_s: float, limit: int) -> list[str]:
    """Retrying events that are due for longer than `patience_s`; of those replayed together, each user's first.

    Looked at are the oldest and the newest, a bounded number: what was replayed behind one event, however much it is,
    hides nobody who came after it.
    """
    overdue: LiteralString = """SELECT id, user_id, replay, replay_order, next_attempt_at FROM processing_inboxevent
        WHERE status = %(retrying)s AND waits_for IS NULL
          AND next_attempt_at < clock_timestamp() - %(patience)s * interval '1 second' ORDER BY next_attempt_at"""
    cursor = raw_cursor().execute(
        f"""WITH overdue AS MATERIALIZED (
              ({overdue} LIMIT %(looked_at)s) UNION ({overdue} DESC LIMIT %(looked_at)s))
            SELECT id FROM overdue i
            WHERE replay IS NULL OR replay_order = (
              SELECT min(e.replay_order) FROM processing_inboxevent e
              WHERE e.status = %(retrying)s AND e.user_id = i.user_id AND e.replay = i.replay)
            ORDER BY next_attempt_at LIMIT %(limit)s""",
        {"retrying": Status.RETRYING, "patience": patience_s, "limit": limit, "looked_at": 10 * limit},
    )
    return [id for (id,) in cursor]


def retrying_after(after: tuple[datetime, str], limit: int) -> list[tuple[datetime, str]]:
    """The next retrying events behind that place, as (received, id), also those that wait for a kind."""
    cursor = raw_cursor().execute(
        """SELECT received_at, id FROM processing_inboxevent
           WHERE status = 'retrying' AND (received_at, id) > (%s, %s)
           ORDER BY received_at, id LIMIT %s""",
        (*after, limit),
    )
    return cursor.fetchall()


def overdue_fronts(patience_s: float, limit: int) -> list[str]:
    """Held events that are next in their lanes, where the lane has waited for longer than `patience_s`."""
    cursor = raw_cursor().execute(
        """SELECT f.id FROM processing_lane l, LATERAL (
             SELECT i.id FROM processing_inboxevent i
             WHERE i.user_id = l.user_id AND i.seq = l.next_seq AND (i.status = %s) IS TRUE AND i.waits_for IS NULL
             LIMIT 1) f
           WHERE l.waits_for IN ('turn', 'gap') AND l.waiting_since < clock_timestamp() - %s * interval '1 second'
           LIMIT %s""",
        (Status.HELD, patience_s, limit),
    )
    return [id for (id,) in cursor]


def _waiting(row: tuple[Any, ...], ordering_key: Hashable) -> WaitingEvent:
    id, user_id, event_type, family, seq, payload, timestamp, attempts, limit, status, due = row[:11]
    partition, offset, import_run, traceparent, topic, waits_for, received_at = row[11:18]
    event = restore_event(id, user_id, event_type, family, seq, timestamp, payload.encode())
    message = Message(topic, partition, offset, None, None, import_run, traceparent=traceparent)
    attempt = Attempt(event, attempts, limit, ordering_key, ms_of(received_at), Arrival(event, message))
    return WaitingEvent(attempt, Status(status), bool(due), topic, waits_for, received_at)
