"""Rows beside a batch's own, made by Postgres itself: events of a paused kind that wait, or the same processed.

100,000 users; every second event has a seq, so that half of the users have a lane that waits for the kind.
"""

from __future__ import annotations

from typing import Any

import psycopg

from bench.list_rows import fill

KIND = "product"
USERS = 100_000

EVENTS = f"""
INSERT INTO processing_inboxevent (id, user_id, type, family, seq, status, attempts, payload, occurred_at, received_at,
                                   final_at, waits_for, arrival, topic, partition, "offset", key, raw)
SELECT '01900000-' || lpad(to_hex(n), 8, '0'), 'other-' || n %% {USERS}, 'product.viewed', '{KIND}',
       CASE WHEN n %% 2 = 0 THEN (n - 1) / {USERS} + 1 END, {{status}}, payload, at, at, {{final_at}}, {{waits_for}},
       'events', n %% 4, n / 4, convert_to('other-' || n %% {USERS}, 'UTF8'), convert_to(payload, 'UTF8')
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n,
     LATERAL (SELECT '{{{{"productId": "product-' || n %% 997 || '", "price": "12.99", "quantity": 1}}}}' AS payload,
                     %(started)s::timestamptz + (n / 2000) * %(every)s::interval AS at) AS made
ORDER BY n
"""
WAITING = EVENTS.format(status="'held', 0", final_at="NULL", waits_for=f"'{KIND}', n")
PROCESSED = EVENTS.format(status="'processed', 1", final_at="at", waits_for="NULL, NULL")

LANES = """
INSERT INTO processing_lane (user_id, next_seq, waiting_since, waits_for)
SELECT user_id, {front}, {since} FROM processing_inboxevent WHERE seq IS NOT NULL GROUP BY user_id
"""


def put_waiting(connection: psycopg.Connection[Any], rows: int) -> None:
    """The kind is paused, and so many events wait for it."""
    connection.execute(
        "INSERT INTO processing_kind (name, state, reason, actor) VALUES (%s, 'paused', 'measured', '')", (KIND,)
    )
    fill(connection, "processing_inboxevent", WAITING, rows)
    connection.execute(LANES.format(front="1", since="min(received_at), 'kind'").encode())
    connection.execute("VACUUM (ANALYZE) processing_lane")


def put_processed(connection: psycopg.Connection[Any], rows: int) -> None:
    """As many events that are done with."""
    fill(connection, "processing_inboxevent", PROCESSED, rows)
    connection.execute(LANES.format(front="max(seq) + 1", since="NULL, ''").encode())
    connection.execute("VACUUM (ANALYZE) processing_lane")
