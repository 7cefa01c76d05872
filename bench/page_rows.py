"""What the operator's pages read beside the rows of the lists: a million dead letters, and what led to them."""

from __future__ import annotations

from typing import Any

import psycopg

LETTERS = 10  # one for so many events

STATEMENTS = (
    """INSERT INTO processing_failuregroup (reason, kind, error_class, place, open, total, last_seen)
       SELECT 'failed', (ARRAY['no family', 'game', 'product'])[1 + n %% 3], 'KeyError',
              'shop.events:' || n || ' in place', %(letters)s / 300, %(letters)s / 300, now() - n * interval '1 minute'
       FROM generate_series(0, 299) n""",
    """INSERT INTO processing_inboxevent (id, user_id, type, family, status, attempts, error, payload, occurred_at,
                                          received_at, final_at, topic, partition, "offset", key, raw)
       SELECT 'dead-' || lpad(n::text, 8, '0'), 'user-' || n %% 100000, 'type-' || n %% 18,
              (ARRAY['', 'game', 'product'])[1 + n %% 3], 'failed', 4, 'KeyError: ' || n, '{"page": "/products/1"}', at,
              at, at, 'events', n %% 8, n, 'key', '{"id": "dead"}'
       FROM (SELECT n, now() - n * interval '2 s' AS at FROM generate_series(1, %(letters)s) n) numbered
       ORDER BY n DESC""",
    """INSERT INTO processing_deadletter (event_id, reason, queued_at, published_at, group_id, user_id, type)
       SELECT i.id, 'failed', i.received_at, i.received_at, g.id, i.user_id, i.type
       FROM processing_inboxevent i JOIN processing_failuregroup g
            ON g.place = 'shop.events:' || right(i.id, 8)::int %% 300 || ' in place'
       WHERE i.id LIKE 'dead-%%'""",
    """INSERT INTO processing_failedattempt (event_id, attempt, at, process, error_class, place, message)
       SELECT i.id, 4, i.received_at, 'worker on host, process 1', 'KeyError',
              'shop.events:' || right(i.id, 8)::int %% 300 || ' in place', i.error
       FROM processing_inboxevent i WHERE i.id LIKE 'dead-%%' ORDER BY i.received_at""",
    """INSERT INTO processing_traceback (error_class, place, hour, text)
       SELECT 'KeyError', 'shop.events:' || n || ' in place', date_trunc('hour', now()) - hours * interval '1 hour',
              repeat('a line of a traceback' || chr(10), 200)
       FROM generate_series(0, 299) n, generate_series(0, 99) hours""",
    """INSERT INTO processing_lane (user_id, next_seq, waiting_since, waits_for)
       SELECT 'user-' || n, n + 1, CASE WHEN n %% 50 = 0 THEN now() END, CASE WHEN n %% 50 = 0 THEN 'gap' ELSE '' END
       FROM generate_series(0, 99999) n""",
    """INSERT INTO processing_passedgap (user_id, first_seq, last_seq, waited_ms, passed_at)
       SELECT 'user-' || n %% 100000, n, n + 1, 2000, now() - n * interval '5 s'
       FROM generate_series(1, %(letters)s / 2) n""",
    """INSERT INTO processing_operatoraction (event_id, action, actor, detail, at)
       SELECT 'dead-' || lpad(n::text, 8, '0'), 'replay', 'ada', 'replay ' || n / 1000, now() - n * interval '5 s'
       FROM generate_series(1, %(letters)s / 2) n""",
    """INSERT INTO users_revenue (user_id, revenue, entries)
       SELECT 'user-' || n, n, 1 FROM generate_series(1, %(letters)s / 2) n""",
    """INSERT INTO revenue_ledgerentry (event_id, user_id, number, amount)
       SELECT 'revenue-' || n, 'user-' || n, 1, n FROM generate_series(1, %(letters)s / 2) n""",
    """INSERT INTO product_events (event_id, event_type, user_id, product_id, product_name, price, timestamp)
       SELECT 'product-' || n, 'type-' || n %% 18, 'user-' || n %% 100000, 'p-' || n %% 1000, 'a lamp', 12.5,
              now() - n * interval '2 s'
       FROM generate_series(1, %(letters)s / 2) n""",
    """INSERT INTO processing_count (minute, writer, kind, what, number)
       SELECT minute, '', kind, what, 1000 FROM
         unnest(ARRAY['game', 'game/move', 'product', 'revenue', 'no family']) kind,
         unnest(ARRAY['processed', 'held', 'retrying', 'failed', 'skipped', 'within 50 ms', 'within 100 ms',
                      'within 250 ms', 'within 1000 ms', 'within 5000 ms']) what,
         (SELECT date_bin('10 minutes', now(), 'epoch') - n * interval '10 minutes' AS minute
          FROM generate_series(12, 1100) n
          UNION SELECT date_trunc('minute', now()) - n * interval '1 minute' FROM generate_series(2, 115) n) minutes
       ON CONFLICT DO NOTHING""",
)


def fill(connection: psycopg.Connection[Any], events: int) -> None:
    for statement in STATEMENTS:
        connection.execute(statement, {"letters": events // LETTERS})
    connection.execute("VACUUM (ANALYZE)")
