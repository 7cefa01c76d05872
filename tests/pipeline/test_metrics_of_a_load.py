"""What the processes tell on /metrics after a load agrees with the database, to the event."""

from __future__ import annotations

import random
from collections import Counter

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from eventsite.local.services.process import free_port
from tests.pipeline.load import mixed
from tests.pipeline.log import Record
from tests.pipeline.stack import Stack
from tests.support.health import Health, ask_web

pytestmark = pytest.mark.pipeline

EVENTS, POSTED, POISONS = 3_000, 200, 7
OUTCOMES = ("processed", "skipped", "failed", "poison")


def samples(*pages: str) -> Counter[tuple[str, ...]]:
    """The sums over these processes: by a metric's name and the values of its labels."""
    found: Counter[tuple[str, ...]] = Counter()
    for page in pages:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                found[sample.name, *(sample.labels[name] for name in sorted(sample.labels))] += int(sample.value)
    return found


def test_after_a_load_they_agree_with_the_database_to_the_event(stack: Stack) -> None:
    port = str(free_port())
    tellers = [Health(stack.start(name, METRICS_PORT=port)) for name in ("consumer", "consumer", "worker")]
    stack.start("web")
    stack.wait_until(lambda: ask_web(stack, "/health/ready")[0] == 200, "the web server is ready")
    for each in tellers:
        stack.wait_until(each.is_ready, "it is ready")
    stack.produce(event.record() for event in mixed(EVENTS, users=60, chance=random.Random(14)))
    stack.produce(Record(b"k", b"{ not JSON %d" % number) for number in range(POISONS))
    posted = [{"userId": f"door-{number % 50}", "type": "t", "eventId": f"posted-{number}"} for number in range(POSTED)]
    web = f"http://127.0.0.1:{stack.environment['WEB_PORT']}"
    assert httpx.post(f"{web}/events/batch", json={"events": posted}, timeout=30).status_code == 202
    stack.topic.learn_ends()
    stack.wait_until_final(EVENTS + POSTED + POISONS)

    told = samples(*(each.ask("/metrics")[1] for each in tellers))
    kept = stack.sql(
        """SELECT CASE WHEN d.reason = 'poison' THEN 'topic:' || i.topic
                       WHEN i.family = '' THEN 'no family' ELSE i.family END,
                  coalesce(d.reason, i.status), count(*)
           FROM processing_inboxevent i LEFT JOIN processing_deadletter d ON d.event_id = i.id GROUP BY 1, 2"""
    )
    events = {key[1:]: n for key, n in told.items() if key[0] == "processing_events_total" and key[2] in OUTCOMES and n}
    assert events == {(kind, outcome): n for kind, outcome, n in kept}
    tries = sum(n for key, n in told.items() if key[0] == "processing_attempts_total")
    assert tries == stack.value("SELECT sum(attempts) FROM processing_inboxevent")
    timed = sum(n for key, n in told.items() if key[0] == "processing_outcome_seconds_count")
    assert timed == stack.count("processing_inboxevent")
    at_door = samples(httpx.get(f"{web}/metrics", timeout=30).text)
    assert at_door["door_events_total", "accepted"] == POSTED
    for reason in ("failed", "poison"):
        letters = stack.value("SELECT count(*) FROM processing_deadletter WHERE reason = %s", reason)
        stack.wait_until(
            lambda reason=reason, letters=letters: (  # type: ignore[misc]
                samples(httpx.get(f"{web}/metrics", timeout=30).text)["processing_dead_letters", reason] == letters
            ),
            "what waits was counted since",
        )
