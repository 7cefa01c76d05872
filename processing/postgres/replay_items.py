"""The dead letters that replay runs take: which, in which order, and what came of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import msgspec

from processing.domain.replays import Choice, ItemState, Phase
from processing.models import DeadLetter
from processing.postgres.dead_letters import NAMED_SEQ
from processing.postgres.replay_runs import Run, keep_refusals
from processing.postgres.transaction import Cursor, raw_cursor

# items `i`, by their ids: a join with these alone may read all that the run takes, of which there may be a million
_AMONG: LiteralString = "i.run_id = %(run)s AND i.event_id = ANY(%(ids)s::text[])"
ENDED = (ItemState.SUCCEEDED, ItemState.FAILED, ItemState.SKIPPED)
_PLACE: LiteralString = """received_at, topic, partition, "offset", event_id"""


@dataclass(frozen=True)
class Item:
    """A dead letter that a run takes: what its place comes from, its message's size in bytes, and since when it is a
    dead letter. A poison's user and seq are known once it is decoded."""

    id: str
    queued_at: datetime
    user_id: str
    seq: int | None
    size: int
    poison: bool
    place: tuple[Any, ...]
    refused: str = ""


@dataclass(frozen=True)
class Next:
    """An item whose turn it is. `order`: its place in the run."""

    id: str
    order: int
    size: int
    poison: bool


@dataclass(frozen=True)
class Outcome:
    """What a step made of an item. `became`: the event that a poison carried."""

    id: str
    state: ItemState
    detail: str
    became: str = ""


def matching(choice: Choice, until: datetime | None) -> tuple[LiteralString, dict[str, Any]]:
    """The condition on dead letters (`l`) that a choice without ids is, and its parameters. Each has an index."""
    conditions: list[LiteralString] = ["l.discarded_at IS NULL"]
    if choice.group is not None:
        conditions.append("l.group_id = %(group)s")
    if choice.reason is not None:
        conditions.append("l.reason = %(reason)s")
    if choice.type is not None:
        conditions.append("l.type = %(type)s")
    if choice.since is not None:
        conditions.append("l.queued_at >= %(since)s")
    if until is not None:
        conditions.append("l.queued_at <= %(until)s")
    if choice.ids is not None:
        conditions.append("l.event_id = ANY(%(ids)s)")
    parameters = {**msgspec.structs.asdict(choice), "until": until}
    return " AND ".join(conditions), parameters


def next_letters(choice: Choice, run: Run, limit: int) -> list[Item]:
    """The next open dead letters of a choice, by age; those that failed since the run began are none of it."""
    condition, parameters = matching(choice, None if choice.ids is not None else run.created_at)
    behind: LiteralString = " AND l.queued_at >= %(time)s AND (l.queued_at, l.event_id) > (%(time)s, %(id)s)"
    cursor = raw_cursor().execute(
        f"""SELECT i.id, d.queued_at, i.user_id, coalesce(i.seq, {NAMED_SEQ}), coalesce(octet_length(i.raw), 0),
                   d.reason = %(poison)s, i.received_at, coalesce(i.topic, ''), coalesce(i.partition, i.import_run, 0),
                   coalesce(i."offset", 0)
            FROM (SELECT event_id, queued_at, reason FROM processing_deadletter l
                  WHERE {condition}{behind if run.chosen_time is not None else ""}
                  ORDER BY queued_at, event_id LIMIT %(limit)s) d
                 JOIN processing_inboxevent i ON i.id = d.event_id
            ORDER BY d.queued_at, i.id""",
        {
            **parameters,
            "poison": DeadLetter.Reason.POISON,
            "time": run.chosen_time,
            "id": run.chosen_id,
            "limit": limit,
        },
    )
    return [
        Item(id, queued_at, user_id, seq, size, poison, tuple(place))
        for id, queued_at, user_id, seq, size, poison, *place in cursor
    ]


def known_items(cursor: Cursor, run: int, ids: Sequence[str]) -> set[str]:
    """Those of these ids that the run has."""
    cursor.execute(
        "SELECT event_id FROM processing_replayitem WHERE run_id = %s AND event_id = ANY(%s)", (run, list(ids))
    )
    return {id for (id,) in cursor}


def insert_items(cursor: Cursor, run: int, items: Sequence[Item]) -> None:
    cursor.execute(
        """INSERT INTO processing_replayitem (run_id, event_id, state, detail, at, user_id, seq, size, poison,
                                              received_at, topic, partition, "offset")
           SELECT %(run)s, id, CASE WHEN refused = '' THEN 'chosen' ELSE 'refused' END, refused,
                  CASE WHEN refused <> '' THEN clock_timestamp() END, user_id, seq, size, poison, received_at, topic,
                  partition, "offset"
           FROM unnest(%(id)s::text[], %(refused)s::text[], %(user)s::text[], %(seq)s::bigint[], %(size)s::int[],
                       %(poison)s::bool[], %(received)s::timestamptz[], %(topic)s::text[], %(partition)s::int[],
                       %(offset)s::bigint[])
                AS n(id, refused, user_id, seq, size, poison, received_at, topic, partition, "offset")""",
        {
            "run": run,
            "id": [item.id for item in items],
            "refused": [item.refused for item in items],
            "user": [item.user_id for item in items],
            "seq": [item.seq for item in items],
            "size": [item.size for item in items],
            "poison": [item.poison for item in items],
            "received": [item.place[0] for item in items],
            "topic": [item.place[1] for item in items],
            "partition": [item.place[2] for item in items],
            "offset": [item.place[3] for item in items],
        },
    )


def note_chosen(cursor: Cursor, run: int, items: Sequence[Item], last: Item | None, phase: Phase) -> None:
    """The (locked) run has these items too; `last` is how far choosing has come."""
    refused = [(item.id, item.refused) for item in items if item.refused]
    if refused:
        keep_refusals(cursor, run, refused)
    cursor.execute(
        """UPDATE processing_replayrun SET stepped_at = clock_timestamp(), phase = %s, chosen = chosen + %s,
                  refused = refused + %s, chosen_time = coalesce(%s, chosen_time),
                  chosen_id = coalesce(%s, chosen_id) WHERE id = %s""",
        (phase, len(items), len(refused), last and last.queued_at, last and last.id, run),
    )


def put_in_order(cursor: Cursor, run: int) -> None:
    """Give the items of the (locked) run their positions: in the order of the log; a user's numbered events share the
    places that they have there by ascending seq. In one statement, whose sorts go to disk when there are very many."""
    # with no statistics of rows that have just come a nested loop may seem cheap
    cursor.execute("SET LOCAL enable_nestloop = off")
    cursor.execute(
        f"""WITH chosen AS (
              SELECT event_id, user_id, seq, row_number() OVER (ORDER BY {_PLACE}) AS place
              FROM processing_replayitem WHERE run_id = %(run)s AND state = 'chosen'),
            numbered AS (
              SELECT event_id, user_id, place, row_number() OVER (PARTITION BY user_id ORDER BY place) AS by_log,
                     row_number() OVER (PARTITION BY user_id ORDER BY seq, place) AS by_seq
              FROM chosen WHERE seq IS NOT NULL),
            placed AS (
              SELECT n.event_id, p.place FROM numbered n
              JOIN numbered p ON p.user_id = n.user_id AND p.by_log = n.by_seq
              UNION ALL SELECT event_id, place FROM chosen WHERE seq IS NULL)
            UPDATE processing_replayitem i SET position = p.place FROM placed p
            WHERE i.run_id = %(run)s AND i.event_id = p.event_id""",
        {"run": run},
    )
    cursor.execute("SET LOCAL enable_nestloop = on")
    cursor.execute(
        "UPDATE processing_replayrun SET stepped_at = clock_timestamp(), phase = %s WHERE id = %s",
        (Phase.REPLAYING, run),
    )


def next_items(run: int, limit: int) -> list[Next]:
    """The items whose turn it is."""
    cursor = raw_cursor().execute(
        """SELECT event_id, position, size, poison FROM processing_replayitem
           WHERE run_id = %s AND state = 'chosen' ORDER BY position LIMIT %s""",
        (run, limit),
    )
    return [Next(*row) for row in cursor]


def still_chosen(cursor: Cursor, run: int, ids: Sequence[str]) -> bool:
    """Whether none of these items of the (locked) run has had its turn meanwhile."""
    cursor.execute(  # by their ids: an index of what is chosen would have all that the run takes
        """SELECT count(*) FROM processing_replayitem
           WHERE run_id = %s AND event_id = ANY(%s) AND (state = 'chosen') IS TRUE""",
        (run, list(ids)),
    )
    row = cursor.fetchone()
    return row is not None and row[0] == len(ids)


def note_outcomes(cursor: Cursor, run: int, outcomes: Sequence[Outcome]) -> None:
    """What a step made of these items of the (locked) run."""
    cursor.execute(
        f"""UPDATE processing_replayitem i SET state = o.state, detail = o.detail, became = o.became,
                   at = clock_timestamp()
            FROM unnest(%(ids)s::text[], %(states)s::text[], %(details)s::text[], %(became)s::text[])
                 AS o(id, state, detail, became)
            WHERE {_AMONG} AND i.event_id = o.id""",
        {
            "run": run,
            "ids": [each.id for each in outcomes],
            "states": [str(each.state) for each in outcomes],
            "details": [each.detail for each in outcomes],
            "became": [each.became for each in outcomes],
        },
    )
    refused = [(each.id, each.detail) for each in outcomes if each.state is ItemState.REFUSED]
    if refused:
        keep_refusals(cursor, run, refused)
    skipped = sum(each.state is ItemState.SKIPPED for each in outcomes)
    cursor.execute(
        """UPDATE processing_replayrun SET stepped_at = clock_timestamp(), refused = refused + %s,
                  replayed = replayed + %s, skipped = skipped + %s WHERE id = %s""",
        (len(refused), len(outcomes) - len(refused), skipped, run),
    )


def note_finals(cursor: Cursor, run: Run, limit: int) -> int:
    """Look at the next items of the (locked) run that wait, and note those whose events are final; returns how many.

    One that was replayed by another run since had failed again in this one.
    """
    cursor.execute(
        """WITH looked AS MATERIALIZED (
             SELECT event_id, became, position FROM processing_replayitem
             WHERE run_id = %(run)s AND state = 'waiting' AND position > %(after)s ORDER BY position LIMIT %(limit)s)
           SELECT l.event_id, l.position, CASE WHEN i.id IS NULL THEN 'skipped' WHEN i.replay <> %(run)s THEN 'failed'
                  WHEN i.status = 'processed' THEN 'succeeded' ELSE i.status END
           FROM looked l LEFT JOIN processing_inboxevent i
             ON i.id = CASE WHEN l.became = '' THEN l.event_id ELSE l.became END
           ORDER BY l.position""",
        {"run": run.id, "after": run.looked_at, "limit": limit},
    )
    looked = cursor.fetchall()
    finals = {id: state for id, _, state in looked if state in ENDED}
    numbers = Counter(finals.values())
    cursor.execute(
        f"""UPDATE processing_replayitem i SET state = o.state
            FROM unnest(%(ids)s::text[], %(states)s::text[]) AS o(id, state) WHERE {_AMONG} AND i.event_id = o.id""",
        {"run": run.id, "ids": list(finals), "states": list(finals.values())},
    )
    cursor.execute(
        """UPDATE processing_replayrun SET looked_at = %s, succeeded = succeeded + %s, failed = failed + %s,
                  skipped = skipped + %s WHERE id = %s""",
        (looked[-1][1] if len(looked) == limit else 0, *[numbers[state] for state in ENDED], run.id),
    )
    return len(finals)
