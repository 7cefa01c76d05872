"""The proof that revenue adds up: each balance against its ledger entries, and these against the inbox. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.backends.utils import CursorWrapper

from ingest.parsing.money import show_money
from processing.domain import texts
from processing.domain.statuses import Status
from processing.postgres.databases import connection
from revenue.events import REVENUE

TOTALS = "SELECT (SELECT count(*) FROM users_revenue), (SELECT count(*) FROM revenue_ledgerentry)"

WRONG_BALANCES = """
SELECT user_id, revenue, b.entries, total, l.entries, first, last, count(*) OVER ()
FROM users_revenue b FULL JOIN (
    SELECT user_id, sum(amount) AS total, count(*) AS entries, min(number) AS first, max(number) AS last
    FROM revenue_ledgerentry GROUP BY user_id
) l USING (user_id)
WHERE revenue IS DISTINCT FROM total OR b.entries IS DISTINCT FROM l.entries OR first <> 1 OR last <> l.entries
ORDER BY user_id LIMIT %s
"""

# An entry without any inbox row is wrong only where ids are never forgotten, nor were before: those received before the
# oldest that is left may have been.
WRONG_EVENTS = """
SELECT coalesce(l.user_id, i.user_id), coalesce(l.event_id, i.id), l.number, count(*) OVER ()
FROM revenue_ledgerentry l FULL JOIN (
    SELECT id, user_id FROM processing_inboxevent WHERE family = %(family)s AND status = %(processed)s
) i ON i.id = l.event_id AND i.user_id = l.user_id
WHERE l.event_id IS NULL OR i.id IS NULL AND (
    EXISTS (SELECT FROM processing_inboxevent WHERE id = l.event_id)
    OR %(all_kept)s AND created_at >= (SELECT min(received_at) FROM processing_inboxevent WHERE status = %(processed)s)
)
ORDER BY 1, 2 LIMIT %(limit)s
"""


@dataclass(frozen=True)
class Proof:
    """How much was looked at, how much of it is wrong, and of that the first few, a line each."""

    users: int
    entries: int
    wrong: int
    lines: list[str]


def prove(limit: int) -> Proof:
    """Look at all there is, as it stood at one instant; name at most `limit` of each kind. Raises `django.db.Error`.

    Reads the ledger three times and the inbox once, whole.
    """
    with _snapshot() as cursor:
        cursor.execute(TOTALS)
        users, entries = cursor.fetchone()
        balances, wrong_balances = _wrong_balances(cursor, limit)
        events, wrong_events = _wrong_events(cursor, limit)
    return Proof(users, entries, wrong_balances + wrong_events, balances + events)


def prove_balances(limit: int, timeout_ms: int) -> tuple[list[str], int]:
    """The balances alone, which reads the ledger once: the first few that are wrong, a line each, and how many are.

    Nothing is wrong where the tables are missing. Raises `django.db.Error`, after the timeout `OperationalError`.
    """
    with _snapshot() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(timeout_ms)])
        return _wrong_balances(cursor, limit) if _has_tables(cursor) else ([], 0)


def has_tables() -> bool:
    with connection.cursor() as cursor:
        return _has_tables(cursor)


@contextmanager
def _snapshot() -> Iterator[CursorWrapper]:
    """All statements see what was committed before the first of them; nobody who writes is held up."""
    with transaction.atomic(using=connection.alias, durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield cursor


def _has_tables(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT num_nulls(to_regclass('users_revenue'), to_regclass('revenue_ledgerentry')) = 0")
    return bool(cursor.fetchone()[0])


def _wrong_balances(cursor: CursorWrapper, limit: int) -> tuple[list[str], int]:
    cursor.execute(WRONG_BALANCES, [limit])
    rows = cursor.fetchall()
    return [explain_balance(*row[:-1]) for row in rows], rows[0][-1] if rows else 0


def _wrong_events(cursor: CursorWrapper, limit: int) -> tuple[list[str], int]:
    parameters: dict[str, str | int] = {
        "family": REVENUE.name,
        "processed": Status.PROCESSED,
        "all_kept": not settings.RETENTION_FORGET_DAYS,
        "limit": limit,
    }
    cursor.execute(WRONG_EVENTS, parameters)
    rows = cursor.fetchall()
    return [explain_event(*row[:-1]) for row in rows], rows[0][-1] if rows else 0


def explain_balance(
    user_id: str,
    revenue: Decimal | None,
    counted: int | None,
    total: Decimal | None,
    entries: int | None,
    first: int | None,
    last: int | None,
) -> str:
    """What is wrong between a balance and its ledger, either of which may be missing."""
    if revenue is None:
        return f"{user_id!r}: there is no balance, but {_entries(entries)} in the ledger, {_shown(total)} in all"
    if total is None:
        return f"{user_id!r}: the balance is {_shown(revenue)} of {_entries(counted)}, but the ledger has none"
    wrong = []
    if revenue != total:
        wrong.append(f"the balance is {_shown(revenue)}, its ledger entries add up to {_shown(total)}")
    if counted != entries:
        wrong.append(f"the balance counts {_entries(counted)}, the ledger has {entries}")
    if (first, last) != (1, entries):
        wrong.append(f"the ledger numbers {_entries(entries)} from {first} to {last}")
    return f"{user_id!r}: {'; '.join(wrong)}"


def _entries(number: int | None) -> str:
    return texts.counted(number or 0, "entry")


def _shown(amount: Decimal | None) -> str:
    return "nothing" if amount is None else show_money(amount)


def explain_event(user_id: str, event_id: str, number: int | None) -> str:
    """What is wrong between the inbox and the ledger. `number` is that of the ledger entry, if there is one."""
    if number is None:
        return f"{user_id!r}: event {event_id!r} is processed, but has no ledger entry"
    return f"{user_id!r}: ledger entry {number} is of event {event_id!r}, which is no processed one of this user"
