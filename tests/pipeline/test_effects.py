"""Consumer and worker die at any moment while events have tasks to run and follow-ups to send."""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict

import orjson
import pytest

from processing.domain.effects import token_of
from tests.pipeline.conftest import MakeStack
from tests.pipeline.load import STARTED_MS
from tests.pipeline.log import Record, read_all
from tests.pipeline.stack import Stack
from tests.support.warehouse.events import LEASE_S, SHIP, WEIGH

pytestmark = pytest.mark.pipeline

EVENTS = int(os.environ.get("EFFECTS", "1000"))  # docs/add-your-own-event.md has the command for 20,000
USERS = 50
KILLS = 6
SLOW = {"CONSUMER_BATCH_SIZE": "100"}  # so that there is a middle in which to be killed
END_S = 120 + LEASE_S + EVENTS / 20


def test_each_task_runs_and_each_token_takes_effect_once_whoever_is_killed(
    database: str, make_stack: MakeStack
) -> None:
    stack = make_stack(database, DJANGO_SETTINGS_MODULE="tests.warehouse_settings")
    chance = random.Random(16)
    broken = {number for number in range(EVENTS) if chance.random() < 0.05}
    stack.produce(_record(number, broken=number in broken, fails=number % 20 == 3) for number in range(EVENTS))
    moments = sorted(chance.uniform(0.05, 0.95) for _ in range(KILLS))
    stack.start("beat")
    worker, consumer = stack.start("worker"), stack.start("consumer", **SLOW)
    for number, moment in enumerate(moments):
        stack.wait_until(lambda: stack.count("warehouse_receipt") >= moment * EVENTS, "more tasks have run")  # noqa: B023
        worker.kill()
        if number % 2:
            consumer.kill()
            consumer = stack.start("consumer", **SLOW)
        worker = stack.start("worker")
    stack.wait_until(lambda: _is_over(stack, EVENTS - len(broken)), "all effects are done", END_S)
    fine = [number for number in range(EVENTS) if number not in broken]
    _check_tasks(stack, fine)
    _check_follow_ups(stack, fine)


def _record(number: int, *, broken: bool, fails: bool) -> Record:
    user = f"u{number % USERS}"
    payload = {"number": number, "seq": number // USERS + 1, "labels": number % 10 == 0, "fails": int(fails)}
    envelope = {"id": _id(number), "userId": user, "type": "parcel.packed", "timestamp": STARTED_MS}
    payload |= {"labels": int(payload["labels"]), "broken": broken}
    return Record(user.encode(), orjson.dumps({**envelope, "payload": payload}))


def _id(number: int) -> str:
    return f"parcel-{number}"


def _is_over(stack: Stack, processed: int) -> bool:
    """Every event is final, and none of the effects of those that were processed is left to be done."""
    return (
        stack.waiting() == 0
        and stack.value("SELECT count(*) FROM processing_inboxevent WHERE type = 'parcel.packed'") == EVENTS
        and stack.value("SELECT count(*) FROM processing_effect WHERE status <> 'done'") == 0
        and stack.value("SELECT count(*) FROM processing_effect WHERE name <> 'emit'") == 2 * processed
    )


def _check_tasks(stack: Stack, fine: list[int]) -> None:
    expected = {token_of(_id(number), name) for number in fine for name in (WEIGH, SHIP)}
    calls = Counter(token for (token,) in stack.sql("SELECT token FROM warehouse_call"))
    receipts = [token for (token,) in stack.sql("SELECT token FROM warehouse_receipt")]
    assert set(calls) == expected  # each at least once, and none for an event that was rolled back
    assert sorted(receipts) == sorted(expected)
    shipped: dict[str, list[int]] = defaultdict(list)
    for user, number in stack.sql("SELECT user_id, number FROM warehouse_receipt WHERE task = 'ship' ORDER BY id"):
        shipped[user].append(number)
    assert shipped == {user: sorted(numbers) for user, numbers in shipped.items()}


def _check_follow_ups(stack: Stack, fine: list[int]) -> None:
    labelled = [number for number in fine if number % 10 == 0]
    expected = {token_of(_id(number), "emit 0") for number in labelled}
    events = [orjson.loads(message.value() or b"") for message in read_all(stack.kafka, stack.topic.name)]
    labels = [event for event in events if event["type"] == "label.printed"]
    assert {event["id"] for event in labels} == expected
    first: dict[str, list[int]] = defaultdict(list)
    seen: set[str] = set()
    for event in labels:
        if event["id"] not in seen:
            seen.add(event["id"])
            first[event["userId"]].append(event["payload"]["number"])
    assert first == {user: sorted(numbers) for user, numbers in first.items()}
    stack.topic.learn_ends()
    stack.wait_until_read(EVENTS + len(expected))
    assert stack.value("SELECT count(*) FROM processing_inboxevent WHERE type = 'label.printed'") == len(expected)
