"""The rows of alerts: which states have begun, which are over, and who tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from processing.postgres.transaction import raw_cursor, transaction

CLAIM_S = 60  # after so long another process may tell
GRACE_S = 15  # what is over sooner is told to nobody: processes that start, and are started again


@dataclass(frozen=True)
class Untold:
    key: str
    text: str
    over: bool


def note_states(states: Mapping[str, str]) -> None:
    """These are so now, by key, and no others. What was over before anybody was told of it is forgotten, unless
    somebody is being told of it now."""
    with transaction() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('processing_alert'))")
        cursor.execute(
            """INSERT INTO processing_alert (key, text) SELECT * FROM unnest(%s::text[], %s::text[])
               ON CONFLICT (key) DO UPDATE SET over_at = NULL""",
            (list(states), list(states.values())),
        )
        cursor.execute(
            "UPDATE processing_alert SET over_at = clock_timestamp() WHERE over_at IS NULL AND key <> ALL(%s)",
            (list(states),),
        )
        cursor.execute(
            """DELETE FROM processing_alert WHERE over_at IS NOT NULL AND NOT told
                 AND (claimed_at IS NULL OR claimed_at < clock_timestamp() - %s * interval '1 second')""",
            (CLAIM_S,),
        )


def begun(prefix: str) -> list[str]:
    """The keys, with this prefix, of states that were so the last time."""
    cursor = raw_cursor().execute(
        "SELECT key FROM processing_alert WHERE over_at IS NULL AND starts_with(key, %s)", (prefix,)
    )
    return [key for (key,) in cursor]


def claim_untold() -> list[Untold]:
    """What nobody was told of yet, that it has begun or that it is over; nobody else gets it for CLAIM_S."""
    cursor = raw_cursor().execute(
        """UPDATE processing_alert SET claimed_at = clock_timestamp()
           WHERE told = (over_at IS NOT NULL) AND (told OR since < clock_timestamp() - %s * interval '1 second')
             AND (claimed_at IS NULL OR claimed_at < clock_timestamp() - %s * interval '1 second')
           RETURNING key, text, over_at IS NOT NULL""",
        (GRACE_S, CLAIM_S),
    )
    return sorted((Untold(*row) for row in cursor), key=lambda each: each.key)


def note_told(alert: Untold) -> None:
    """Meanwhile it may be over, or so again: then that is told next."""
    if alert.over:
        raw_cursor().execute("DELETE FROM processing_alert WHERE key = %s AND over_at IS NOT NULL", (alert.key,))
        raw_cursor().execute("UPDATE processing_alert SET told = false, claimed_at = NULL WHERE key = %s", (alert.key,))
    else:
        raw_cursor().execute("UPDATE processing_alert SET told = true, claimed_at = NULL WHERE key = %s", (alert.key,))
