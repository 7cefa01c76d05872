"""Dead letters for a replay run, made by Postgres itself: game events, whose handler was broken for a while.

20,000 users; the events of every second one are numbered, and their lanes have passed them. They became dead letters
in another order than they came in, since the pauses between their tries were random.
"""

from __future__ import annotations

from typing import Any

import psycopg

from bench.list_rows import fill

USERS = 20_000
CAUSES = 5

ID = "'01900000-' || lpad(to_hex(n), 8, '0')"
USER = f"'late-' || n %% {USERS}"
GROUPS = f"""
INSERT INTO processing_failuregroup (reason, kind, error_class, place, open, total, last_seen)
SELECT 'failed', 'game', 'KeyError', 'place ' || n, 0, 0, now() FROM generate_series(1, {CAUSES}) AS n
"""
EVENTS = f"""
INSERT INTO processing_inboxevent (id, user_id, type, family, seq, status, attempts, attempt_limit, error, payload,
                                   occurred_at, received_at, final_at, topic, partition, "offset", key, raw)
SELECT {ID}, {USER}, 'game.move', 'game', seq, 'failed', 4, 4, 'KeyError: uci', payload, at, at, at, 'events', n %% 4,
       n / 4, convert_to({USER}, 'UTF8'), convert_to(payload, 'UTF8')
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n,
     LATERAL (SELECT CASE WHEN n %% 2 = 0 THEN (n - 1) / {USERS} + 1 END AS seq,
                     %(started)s::timestamptz + (n / 2000) * %(every)s::interval AS at) AS made,
     LATERAL (SELECT json_strip_nulls(json_build_object('gameId', 'game-' || n %% 50, 'seq', seq,
                       'data', json_build_object('ply', n %% 200, 'san', 'Nf3', 'uci', 'g1f3')))::text AS payload) AS p
ORDER BY n
"""
LETTERS = f"""
INSERT INTO processing_deadletter (event_id, reason, queued_at, published_at, group_id, user_id, type)
SELECT {ID}, 'failed', %(started)s::timestamptz + (n / 2000) * %(every)s::interval + random() * interval '5 seconds',
       now(), (SELECT min(id) FROM processing_failuregroup) + n %% {CAUSES}, {USER}, 'game.move'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
COUNTED = """
UPDATE processing_failuregroup g SET open = found.number, total = found.number
FROM (SELECT group_id, count(*) AS number FROM processing_deadletter GROUP BY group_id) AS found
WHERE found.group_id = g.id
"""
LANES = """
INSERT INTO processing_lane (user_id, next_seq)
SELECT user_id, max(seq) + 1 FROM processing_inboxevent WHERE seq IS NOT NULL GROUP BY user_id
"""


def put_dead_letters(connection: psycopg.Connection[Any], letters: int) -> None:
    connection.execute(GROUPS.encode())
    fill(connection, "processing_inboxevent", EVENTS, letters)
    fill(connection, "processing_deadletter", LETTERS, letters)
    for statement in (COUNTED, LANES, "VACUUM (ANALYZE) processing_lane", "CHECKPOINT"):
        connection.execute(statement.encode())
