"""Whether somebody waits for a lock in the test's own database; other databases of the server are none of its business.

Not from pg_stat_activity: that shows a transaction the same picture each time it looks.
"""

from __future__ import annotations

from django.db import connection

WAITING = """SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (
    SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database())"""


def somebody_waits_for_a_lock() -> bool:
    return how_many_wait_for_a_lock() > 0


def how_many_wait_for_a_lock() -> int:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        row = cursor.fetchone()
    return 0 if row is None else int(row[0])
