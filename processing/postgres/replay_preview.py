"""What a replay run would take, counted up to a bound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from processing.domain.replays import Choice
from processing.models import DeadLetter
from processing.postgres.replay_items import matching
from processing.postgres.transaction import raw_cursor

MOST = 100_000  # letters that are counted
LOOKED_INTO = 1_000  # the oldest, whose events are read


@dataclass(frozen=True)
class Counted:
    """The open dead letters of a choice, MOST + 1 if there are more. `kinds`: (reason, type, how many), most first."""

    letters: int
    users: int
    oldest: datetime | None
    kinds: list[tuple[str, str, int]]


@dataclass(frozen=True)
class Chosen:
    """One of the oldest. `lane`: the next seq of its lane, if it is numbered and has one."""

    id: str
    carried_id: str
    reason: str
    queued_at: datetime
    user_id: str
    type: str
    family: str
    seq: int | None
    lane: int | None
    error: str


def count(choice: Choice) -> Counted:
    """By indexes of the dead letters alone, in one statement."""
    condition, parameters = matching(choice, None)
    cursor = raw_cursor().execute(
        f"""WITH found AS MATERIALIZED (
              SELECT reason, type, user_id, queued_at FROM processing_deadletter l WHERE {condition}
              ORDER BY queued_at, event_id LIMIT %(most)s)
            SELECT NULL, NULL, count(*), count(DISTINCT nullif(user_id, '')), min(queued_at) FROM found
            UNION ALL
            (SELECT reason, type, count(*) AS number, NULL, NULL FROM found GROUP BY reason, type
             ORDER BY number DESC, reason, type LIMIT 20)""",
        {**parameters, "most": MOST + 1},
    )
    (_, _, letters, users, oldest), *kinds = cursor.fetchall()
    return Counted(letters, users, oldest, [(reason, type, number) for reason, type, number, *_ in kinds])


def look_into(choice: Choice) -> list[Chosen]:
    """The oldest of a choice, with their events."""
    condition, parameters = matching(choice, None)
    cursor = raw_cursor().execute(
        f"""SELECT d.event_id, d.carried_id, d.reason, d.queued_at, d.user_id, d.type, i.family, i.seq,
                   (SELECT next_seq FROM processing_lane n WHERE n.user_id = i.user_id AND i.seq IS NOT NULL),
                   coalesce(i.error, '')
            FROM (SELECT event_id, carried_id, reason, queued_at, user_id, type FROM processing_deadletter l
                  WHERE {condition} ORDER BY queued_at, event_id LIMIT %(limit)s) d
                 JOIN processing_inboxevent i ON i.id = d.event_id ORDER BY d.queued_at, d.event_id""",
        {**parameters, "limit": LOOKED_INTO},
    )
    return [Chosen(*row) for row in cursor]


def is_poison(chosen: Chosen) -> bool:
    return chosen.reason == DeadLetter.Reason.POISON
