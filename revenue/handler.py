"""Revenue: what is added to a user's balance, or taken from it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from ingest.parsing.money import Money, check_money, read_money, show_money
from processing.domain.decode import dump_json
from processing.domain.envelope import Event
from processing.postgres.databases import connection
from revenue.models import LedgerEntry, UserRevenue

ADD, SUBTRACT = "add_revenue", "subtract_revenue"

LOCK_BALANCES = """
SELECT FROM users_revenue WHERE user_id = ANY(%s) ORDER BY user_id FOR NO KEY UPDATE
"""

# One update a balance, however many changes it has, in byte order of the users. The balance tells the number of its
# last entry; those of this batch count up to it in the order of the events. No COPY: why, see
# ingest/families/game_events/handler.py.
APPLY_CHANGES = """
WITH changes AS (
    SELECT event_id, user_id COLLATE "C" AS user_id, amount, place
    FROM ROWS FROM (jsonb_to_recordset(%s::jsonb) AS (event_id text, user_id text, amount numeric))
         WITH ORDINALITY AS c(event_id, user_id, amount, place)
), balances AS (
    INSERT INTO users_revenue AS b (user_id, revenue, entries)
    SELECT user_id, sum(amount), count(*) FROM changes GROUP BY user_id ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET revenue = b.revenue + excluded.revenue, entries = b.entries + excluded.entries
    RETURNING user_id, entries AS last
)
INSERT INTO revenue_ledgerentry (event_id, user_id, number, amount)
SELECT event_id, user_id, last + 1 - row_number() OVER (PARTITION BY user_id ORDER BY place DESC), amount
FROM changes JOIN balances USING (user_id)
"""


class RevenuePayload(msgspec.Struct):
    """The payload of a revenue event; whether its value is added or taken is the event's type."""

    value: Money

    def __post_init__(self) -> None:
        check_money(self.value, "value")


def lock_balances(events: Sequence[Event]) -> None:
    """Lock the balances of these events' users, those that are there.

    Two transactions can still meet at users that are new to one of them. Postgres ends it as a deadlock, and it runs
    again; to make the rows here would leave a balance to a user whose events all fail.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK_BALANCES, [list({event.user_id for event in events})])


def change_revenue(events: Sequence[Event]) -> None:
    """Enter each event in the ledger and bring its user's balance up to date, all in one statement."""
    changes = [{"event_id": event.id, "user_id": event.user_id, "amount": amount(event)} for event in events]
    with connection.cursor() as cursor:
        cursor.execute(APPLY_CHANGES, [dump_json(changes).decode()])


def amount(event: Event) -> Decimal:
    """What the event adds to its user's balance."""
    payload: RevenuePayload = event.payload
    value = read_money(payload.value, "value")
    return -value if event.type == SUBTRACT else value


def ledger_link(event_id: str) -> tuple[LedgerEntry, str] | None:
    """For the admin: an event's entry, and what its link says."""
    entry = LedgerEntry.objects.only("pk", "number").filter(pk=event_id).first()
    return None if entry is None else (entry, f"ledger entry {entry.number}")


def balance_link(user_id: str) -> tuple[UserRevenue, str] | None:
    """The balance of a user, for the admin."""
    balance = UserRevenue.objects.filter(pk=user_id).first()
    return (balance, f"revenue {show_money(balance.revenue)}") if balance else None
