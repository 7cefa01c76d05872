"""The kind of event of this app."""

from ingest.families.declaration import EventKind
from ingest.parsing.forms import EventForm
from processing.domain.families import register
from revenue.handler import ADD, SUBTRACT, RevenuePayload, balance_link, change_revenue, ledger_link, lock_balances

REVENUE = register(
    EventKind(
        name="revenue",
        schema=RevenuePayload,
        handler=change_revenue,
        types=frozenset({ADD, SUBTRACT}),
        locks=lock_balances,
        form=EventForm(type="name", timestamp="none", rated=False),
        admin_link=ledger_link,
        user_link=balance_link,
    )
)
