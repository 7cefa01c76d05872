"""A broker that stands still for seconds: what an answer says may be sent again counts once, whole processes in all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from eventsite.local.services.kafka import Kafka
from eventsite.local.services.service import Service
from eventsite.local.services.tansu import Tansu
from eventsite.local.services.valkey import Valkey
from tests.pipeline.stack import Stack
from tests.pipeline.test_products import start_web
from tests.services import KAFKA_LIBRARIES
from tests.support.frozen import frozen as frozen_process

pytestmark = pytest.mark.pipeline

CHANGE = {"userId": "u", "name": "add_revenue", "value": 100}
BALANCES = "SELECT user_id, revenue FROM users_revenue ORDER BY user_id"
FROZEN_S = 5
ANSWER_S = 60


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    """The test's own, of the kind that the run is for."""
    real = os.environ.get("TEST_KAFKA") == "real"
    service = Kafka(tmp_path / "kafka", KAFKA_LIBRARIES) if real else Tansu(tmp_path / "broker")
    with service:
        yield service


@pytest.fixture
def frozen_stack(database: str, valkey: Valkey, broker: Service, tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path, database, valkey.address, broker.address)
    yield stack
    stack.close()


def frozen(broker: Service) -> AbstractContextManager[None]:
    assert broker.process is not None
    return frozen_process(broker.process.pid)


def post(stack: Stack, path: str, body: Any) -> httpx.Response:
    url = f"http://127.0.0.1:{stack.environment['WEB_PORT']}{path}"
    return httpx.post(url, json=body, timeout=ANSWER_S)


def warm_up(stack: Stack) -> None:
    """The door has found its topic and the broker."""
    stack.wait_until(lambda: post(stack, "/events", {"userId": "w", "type": "t"}).status_code == 202, "the door works")


def insist(stack: Stack, event: Any, path: str = "/events") -> httpx.Response:
    """Again as long as nothing was published: a worker process that has not published yet cannot begin in a freeze."""
    while (answer := post(stack, path, event)).json().get("outcome") == "none":
        pass
    return answer


def finish(stack: Stack) -> None:
    """All that the topic holds is processed."""
    stack.topic.learn_ends()
    stack.wait_until_final(stack.count("processing_inboxevent"))


def test_revenue_sent_again_after_a_freeze_counts_once(frozen_stack: Stack, broker: Service) -> None:
    stack = frozen_stack
    stack.environment["LIVE_EVENT_WAIT_MS"] = "2000"
    start_web(stack)
    warm_up(stack)
    with frozen(broker):
        first = insist(stack, CHANGE, "/liveEvent")
        stack.watch(FROZEN_S)
    assert (first.status_code, first.json()["outcome"]) == (503, "unknown")
    again = {**CHANGE, "eventId": first.json()["eventId"]}
    stack.wait_until(lambda: post(stack, "/liveEvent", again).status_code == 200, "its outcome is known")
    assert post(stack, "/liveEvent", again).json()["eventId"] == first.json()["eventId"]
    stack.start("consumer")
    finish(stack)
    assert stack.sql(BALANCES) == [("u", Decimal(100))]


def test_a_freeze_of_seconds_is_waited_for(frozen_stack: Stack, broker: Service) -> None:
    stack = frozen_stack
    start_web(stack)
    warm_up(stack)
    with ThreadPoolExecutor(1) as pool:
        with frozen(broker):
            answer = pool.submit(post, stack, "/liveEvent", CHANGE)
            stack.watch(FROZEN_S)
        assert answer.result(ANSWER_S).status_code == 200
    stack.start("consumer")
    finish(stack)
    assert stack.sql(BALANCES) == [("u", Decimal(100))]


def test_a_door_that_is_killed_with_messages_queued(frozen_stack: Stack, broker: Service) -> None:
    stack = frozen_stack
    start_web(stack)
    warm_up(stack)
    event = {"userId": "u", "type": "add_revenue", "payload": {"value": 100}}
    with frozen(broker):
        answer = insist(stack, event)
        assert (answer.status_code, answer.json()["outcome"]) == (503, "unknown")
        stack.processes[0].kill()
        start_web(stack)
    again = {**event, "eventId": answer.json()["eventId"]}
    stack.wait_until(lambda: post(stack, "/events", again).status_code in (200, 202), "its reservation ran out")
    stack.start("consumer")
    finish(stack)
    assert stack.sql(BALANCES) == [("u", Decimal(100))]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_door_that_is_to_end_answers_what_it_knows(frozen_stack: Stack, broker: Service, workers: str) -> None:
    stack = frozen_stack
    stack.environment["WEB_WORKERS"] = workers
    start_web(stack)
    warm_up(stack)
    event = {"userId": "u", "type": "add_revenue", "payload": {"value": 100}, "eventId": "e"}
    with ThreadPoolExecutor(1) as pool:
        with frozen(broker):
            asked: Future[httpx.Response] = pool.submit(insist, stack, event)
            stack.wait_until(lambda: bool(stack.redis.exists("reserved:e")), "it is under way")
            assert stack.processes[0].terminate() == 0  # within 10 s
        answer = asked.result(ANSWER_S)
    assert (answer.status_code, answer.json()["outcome"], answer.json()["eventId"]) == (503, "unknown", "e")
    assert "ended before Kafka acknowledged everything" in stack.processes[0].output()
    start_web(stack)
    stack.wait_until(lambda: post(stack, "/events", event).status_code in (200, 202), "its reservation ran out")
    stack.start("consumer")
    finish(stack)
    assert stack.sql(BALANCES) == [("u", Decimal(100))]


def test_a_file_sent_through_freezes_counts_once(frozen_stack: Stack, broker: Service, tmp_path: Path) -> None:
    stack = frozen_stack
    file = tmp_path / "revenue.jsonl"
    lines = [{"userId": f"u-{n % 20}", "type": "add_revenue", "payload": {"value": 1}} for n in range(400)]
    file.write_bytes(b"\n".join(orjson.dumps(line) for line in lines))
    start_web(stack)
    warm_up(stack)
    stack.start("consumer")
    sender = stack.run(f"python manage.py send_events {file} --rate 100", ends=True)
    for rows in (50, 200):
        stack.wait_for_rows(rows)
        with frozen(broker):
            stack.watch(FROZEN_S + 2)  # longer than a batch is waited for
    assert sender.wait() == 0
    stack.topic.learn_ends()
    stack.wait_until_final(len(lines) + 1)
    assert {revenue for _, revenue in stack.sql(BALANCES)} == {Decimal(20)}
