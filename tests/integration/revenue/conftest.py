"""What revenue's tests share: ingest's door, and batches of changes."""

from __future__ import annotations

from processing.domain.outcomes import BatchResult
from processing.engine.process_batch import process_batch
from revenue.handler import ADD
from revenue.models import LedgerEntry, UserRevenue
from tests.integration.ingest.conftest import door as door
from tests.integration.ingest.conftest import post as post
from tests.integration.ingest.conftest import restart as restart
from tests.integration.processing.conftest import hints_off as hints_off
from tests.support.batches import batch_of, value


def change(id: str, amount: object, user: str = "u", type: str = ADD, family: str | None = "revenue") -> bytes:
    """A Kafka value that changes a user's revenue."""
    return value(id, user, family=family, type=type, value=amount)


def settle(*values: bytes | None) -> BatchResult:
    """Settle messages as one batch."""
    batch = batch_of(*values)
    return process_batch(batch.arrivals, batch.poisons)


def balances() -> dict[str, tuple[str, int]]:
    """Revenue and number of entries of every user."""
    return {row.user_id: (str(row.revenue), row.entries) for row in UserRevenue.objects.all()}


def ledger(user: str = "u") -> list[tuple[int, str, str]]:
    """Number, event and amount of a user's entries, by their numbers."""
    rows = LedgerEntry.objects.filter(user_id=user).order_by("number")
    return [(row.number, row.event_id, str(row.amount)) for row in rows]
