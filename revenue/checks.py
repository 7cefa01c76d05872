"""A system check: does revenue add up?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import OperationalError

from processing.postgres.databases import connection
from revenue.proof import prove_balances

TIMEOUT_MS = 10_000
NAMED = 5
COMMAND = "`manage.py check_revenue` tells more."


@register(Tags.database)
def check_balances(
    *, app_configs: Sequence[Any] | None, databases: Sequence[str] | None, **options: Any
) -> list[CheckMessage]:
    """revenue.E001: balances are not what their ledgers add up to. Runs with `manage.py check --database default`.

    `migrate` runs it too, before it starts, and an error stops it; the hint says how to go on. So that this costs
    seconds at most, balances are compared with the ledger alone, not with the inbox, and after TIMEOUT_MS it is given
    up: revenue.W001, which stops nothing. So it is when the server refuses. Without the tables there is nothing to say.
    """
    if connection.alias not in (databases or ()):
        return []
    try:
        lines, wrong = prove_balances(NAMED, TIMEOUT_MS)
    except OperationalError as error:
        if not (isinstance(error.__cause__, psycopg.Error) and error.__cause__.sqlstate):
            raise  # no server answers
        return [Warning(f"revenue was not checked: {_why(error.__cause__)}.", hint=COMMAND, id="revenue.W001")]
    if not wrong:
        return []
    users = "1 user" if wrong == 1 else f"{wrong} users"
    text = f"revenue does not add up for {users}: {'. '.join(lines)}{'. …' if wrong > len(lines) else ''}"
    return [Error(text, hint=f"{COMMAND} `migrate --skip-checks` migrates all the same.", id="revenue.E001")]


def _why(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"the ledger takes longer to read than {TIMEOUT_MS} ms"
    return " ".join(str(error).split())
