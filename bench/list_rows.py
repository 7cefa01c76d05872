"""Rows for the lists to read, made by Postgres itself: traffic, with what makes a list slow.

Batches of 2,000 share one `received_at`, eight of them a second. Of the 100,000 users one has a tenth of all; another,
`user-gone`, had a tenth of the first fifth and nothing since. Of the 20 types one is rare (a row in 10,000), and
`type-gone` had a tenth of the first fifth. Some events failed, are held, wait or were skipped; the last fiftieth is a
bad deploy, in which all events of the family `product` failed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

CHUNK = 250_000  # rows of one statement
BATCH = 2_000
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
BATCH_EVERY = timedelta(milliseconds=125)

# what follows from a row's number alone
ROWS = f"""
SELECT n,
  (n - 1) / {BATCH} AS batch,
  n <= %(rows)s / 5 AS early,
  n > %(rows)s - %(rows)s / 50 AS bad,
  %(started)s::timestamptz + ((n - 1) / {BATCH}) * %(every)s::interval AS received_at,
  md5(n::text) AS random,
  abs(hashint4extended(n::int, 1)) AS for_user,
  abs(hashint4extended(n::int, 2)) AS for_type,
  abs(hashint4extended(n::int, 3)) AS for_status,
  (ARRAY['', 'game', 'product'])[1 + abs(hashint4extended(n::int, 4)) %% 3] AS family
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""

NAMED = f"""
SELECT *,
  lpad(to_hex((extract(epoch FROM received_at) * 1000)::bigint), 12, '0') AS time48,
  CASE WHEN for_user %% 10 = 0 THEN 'user-hot' WHEN early AND for_user %% 10 = 1 THEN 'user-gone'
       ELSE 'user-' || for_user / 10 %% 100000 END AS user_id,
  CASE WHEN for_type %% 10000 = 0 THEN 'type-rare' WHEN early AND for_type %% 10 = 1 THEN 'type-gone'
       ELSE 'type-' || for_type / 10 %% 18 END AS type,
  CASE WHEN bad AND family = 'product' THEN 'failed' WHEN for_status %% 1000 < 2 THEN 'failed'
       WHEN for_status %% 1000 = 2 THEN 'held' WHEN for_status %% 1000 = 3 THEN 'retrying'
       WHEN for_status %% 1000 = 4 THEN 'skipped' ELSE 'processed' END AS status,
  received_at - (for_status %% 5000) * interval '1 ms' AS occurred_at
FROM ({ROWS}) AS numbered
"""

INBOX = f"""
INSERT INTO processing_inboxevent (id, user_id, type, family, seq, status, attempts, error, payload, occurred_at,
                                   received_at, final_at)
SELECT substr(time48, 1, 8) || '-' || substr(time48, 9) || '-7' || substr(random, 1, 3) || '-8' || substr(random, 4, 3)
         || '-' || substr(random, 7, 12),
       user_id, type, family, CASE WHEN status = 'held' THEN n END, status,
       CASE status WHEN 'failed' THEN 4 WHEN 'processed' THEN 1 ELSE 0 END,
       CASE WHEN status = 'failed' THEN 'ValueError: no' END,
       '{{"page": "/products/' || n %% 97 || '", "referrer": "search", "ms": ' || n %% 1000 || '}}',
       occurred_at, received_at, CASE WHEN status NOT IN ('held', 'retrying') THEN received_at END
FROM ({NAMED}) AS named ORDER BY n
"""

GAME_EVENTS = f"""
INSERT INTO game_events (event_id, event_type, player_id, game_id, timestamp, data, created_at)
SELECT 'game-' || n, type, user_id, 'game-' || n %% 5000, occurred_at,
       jsonb_build_object('ply', n %% 200, 'san', 'Nf3', 'uci', 'g1f3'), received_at
FROM ({NAMED}) AS named ORDER BY n
"""

TABLES = {"processing_inboxevent": INBOX, "game_events": GAME_EVENTS}


def at(rows: int, share: float) -> datetime:
    """When this share of the rows had been received."""
    return STARTED + round(rows * share / BATCH) * BATCH_EVERY


def fill(connection: psycopg.Connection[Any], table: str, statement: str, rows: int) -> None:
    """Fill a table, its indexes built afterwards, as a table that has grown is: vacuumed and analyzed.

    The statement makes its rows from number `first` to number `last`, of `rows` in all.
    """
    indexes = connection.execute(
        """SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND schemaname = current_schema()
             AND indexname NOT IN (SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass)""",
        (table, table),
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f'DROP INDEX "{name}"')
    for first in range(1, rows + 1, CHUNK):
        part = {"first": first, "last": min(rows, first + CHUNK - 1), "rows": rows}
        connection.execute(statement.encode(), {**part, "started": STARTED, "every": BATCH_EVERY})
    for _, definition in indexes:
        connection.execute(definition)
    connection.execute(f"VACUUM (ANALYZE) {table}")
