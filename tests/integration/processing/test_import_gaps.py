"""Runs over files: when the gaps that they leave are passed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from django.conf import settings as site
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings
from redis import Redis

from processing.background import import_gaps, sweeper
from processing.consumer.batch import Batch
from processing.domain.messages import Message
from processing.domain.outcomes import BatchResult
from processing.domain.positions import Partition, Position
from processing.engine import release
from processing.engine.process_batch import process_batch
from processing.hot_state.write import write_hot_state
from processing.kafka import lag
from processing.models import ImportRun
from processing.postgres import imports
from tests.pipeline.processes import wait_until
from tests.support import flaky
from tests.support.batches import column, statuses, store, value

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]

EVENTS = ("events", 0)
lines = count(1)


@pytest.fixture(autouse=True)
def log(redis: Redis, settings: Settings, topics: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty log, and no patience with gaps."""
    monkeypatch.setattr(lag, "TIMEOUT_S", 20.0)  # who is slow is not away
    monkeypatch.setattr(lag, "EXACT_TIMEOUT_S", 20.0)
    flaky.runs.clear()
    settings.SEQUENCE_GAP_TIMEOUT_MS = 0
    settings.KAFKA_EVENTS_TOPIC = topics("events")
    wait_until(group_is_known, 30, "Kafka says how far the group has read")
    return str(settings.KAFKA_EVENTS_TOPIC)


def group_is_known() -> bool:
    try:
        lag.group_positions(exact=True)
    except KafkaException:  # a cluster that has just started looks for who keeps the group's offsets
        return False
    return True


def apply(run: int, *values: bytes) -> BatchResult:
    """What a run over a file does with a few lines."""
    batch = Batch()
    for each in values:
        batch.add(Message(None, None, next(lines), None, each, run))
    assert not batch.poisons
    settled = process_batch(batch.arrivals, [], comes_again=False)
    write_hot_state(settled.hot_state)
    release.release_all(settled.ready)
    return settled


def left_with_a_gap(id: str = "b", user: str = "u") -> int:
    """A run that goes on, and has left the user's lane behind a gap."""
    run = imports.start("a.jsonl")
    apply(run, value(id, user, seq=2))
    return run


def produce(topic: str, messages: int) -> None:
    producer = Producer({**site.KAFKA_CLIENT_CONFIG, "acks": "all"})
    for number in range(messages):
        producer.produce(topic, f"message {number}")
    assert producer.flush(10) == 0


def commit(topic: str, offset: int) -> None:
    consumer = Consumer({**site.KAFKA_CLIENT_CONFIG, "group.id": site.KAFKA_CONSUMER_GROUP})
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()


def let_pass(seconds: int, run: int) -> None:
    """As if nothing had been heard of the run for so long."""
    column(
        """UPDATE processing_importrun SET heartbeat_at = heartbeat_at - %s::int * interval '1 second',
             watermarks_at = watermarks_at - %s::int * interval '1 second' WHERE id = %s::int RETURNING id""",
        str(seconds),
        str(seconds),
        str(run),
    )


def status_of(id: str) -> str:
    return statuses()[id][0]


def test_a_gap_is_passed_once_the_run_has_ended() -> None:
    run = left_with_a_gap()
    assert import_gaps.pass_import_gaps() == 0
    imports.end(run)
    assert import_gaps.pass_import_gaps() == 1
    assert status_of("b") == "processed"


def test_a_gap_that_is_younger_than_the_timeout_waits(settings: Settings) -> None:
    settings.SEQUENCE_GAP_TIMEOUT_MS = 60_000
    imports.end(left_with_a_gap())
    assert import_gaps.pass_import_gaps() == 0


def test_no_gap_is_passed_while_another_run_goes_on() -> None:
    imports.end(left_with_a_gap())
    other = imports.start("b.jsonl")
    assert import_gaps.pass_import_gaps() == 0
    imports.end(other)
    assert import_gaps.pass_import_gaps() == 1


def test_no_gap_is_passed_when_a_run_begins_while_kafka_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    imports.end(left_with_a_gap())
    asked = lag.group_positions
    begun: list[int] = []

    def slowly(exact: bool = False) -> Mapping[Partition, Position]:
        positions = asked(exact=exact)
        begun.append(imports.start("a.jsonl"))
        return positions

    with monkeypatch.context() as patch:
        patch.setattr(lag, "group_positions", slowly)
        assert import_gaps.pass_import_gaps() == 0
    apply(begun[0], value("a", "u", seq=1))
    assert {status for status, _ in statuses().values()} == {"processed"}


def test_all_gaps_of_a_lane_are_passed_in_one_sweep() -> None:
    run = imports.start("a.jsonl")
    apply(run, *(value(f"e{seq}", seq=seq) for seq in range(2, 20, 2)))
    imports.end(run)
    assert import_gaps.pass_import_gaps() == 9
    assert {status for status, _ in statuses().values()} == {"processed"}


def test_what_stands_in_the_log_at_the_end_of_the_run_is_waited_for(log: str) -> None:
    produce(log, 10)
    imports.end(left_with_a_gap())
    assert import_gaps.pass_import_gaps() == 0
    produce(log, 10)
    commit(log, 9)
    assert import_gaps.pass_import_gaps() == 0
    commit(log, 10)
    assert import_gaps.pass_import_gaps() == 1, "what came later is not waited for"


def test_a_log_that_was_made_anew_is_not_waited_for_beyond_its_end(log: str) -> None:
    run = left_with_a_gap()
    imports.end(run)
    ImportRun.objects.filter(id=run).update(watermarks=[[log, 0, 1_000], ["a-topic-that-was-deleted", 3, 5]])
    produce(log, 2)
    assert import_gaps.pass_import_gaps() == 0
    commit(log, 2)
    assert import_gaps.pass_import_gaps() == 1


def test_a_run_that_was_killed_is_over_when_it_was_not_heard_of_for_a_minute() -> None:
    run = left_with_a_gap()
    let_pass(59, run)
    assert import_gaps.pass_import_gaps() == 0
    let_pass(2, run)
    assert import_gaps.pass_import_gaps() == 0, "it is given the time to be heard of: Postgres may have been away"
    let_pass(imports.GRACE_S, run)
    assert import_gaps.pass_import_gaps() == 1


def test_a_run_that_was_thought_over_and_goes_on_is_waited_for_again() -> None:
    run = left_with_a_gap()
    let_pass(61, run)
    assert import_gaps.pass_import_gaps() == 0
    imports.heartbeat(run)
    let_pass(30, run)
    assert import_gaps.pass_import_gaps() == 0
    let_pass(31, run)
    assert import_gaps.pass_import_gaps() == 0, "the end of the log is looked for anew"
    let_pass(imports.GRACE_S, run)
    assert import_gaps.pass_import_gaps() == 1


def test_a_frozen_run_goes_on_and_what_was_passed_meanwhile_is_skipped(redis: Redis) -> None:
    run = left_with_a_gap()
    let_pass(61, run)
    import_gaps.pass_import_gaps()
    let_pass(imports.GRACE_S, run)
    assert import_gaps.pass_import_gaps() == 1
    apply(run, value("a", seq=1), value("c", seq=3), value("e", seq=5))
    imports.heartbeat(run)
    assert {id: status for id, (status, _) in statuses().items()} == {
        "a": "skipped",
        "b": "processed",
        "c": "processed",
        "e": "held",
    }
    assert redis.lrange("order:u", 0, -1) == [b"2", b"3"]
    assert import_gaps.pass_import_gaps() == 0
    imports.end(run)
    assert import_gaps.pass_import_gaps() == 1


def test_marks_are_not_put_on_a_run_that_was_heard_of_meanwhile() -> None:
    run = left_with_a_gap()
    let_pass(61, run)
    silent = imports.find([run])
    imports.heartbeat(run)
    imports.mark(silent, {EVENTS: 5})
    assert ImportRun.objects.get(id=run).watermarks is None


def test_a_gap_before_an_event_from_kafka_is_the_consumers(log: str) -> None:
    store(value("a", seq=2))
    run = imports.start("a.jsonl")
    apply(run, value("b", seq=4))
    imports.end(run)
    assert import_gaps.pass_import_gaps() == 0
    store(value("first", seq=1))
    assert import_gaps.pass_import_gaps() == 1
    assert status_of("b") == "processed"


def test_a_gap_is_found_behind_a_thousand_of_kafkas() -> None:
    store(*(value(f"k{number}", f"user-{number}", seq=2) for number in range(1_001)))
    imports.end(left_with_a_gap())
    assert import_gaps.pass_import_gaps() == 1


def test_a_file_is_no_partition_that_is_no_more() -> None:
    left_with_a_gap()
    assert sweeper.pass_orphaned_gaps() == 0
    assert status_of("b") == "held"


def test_while_kafka_is_away_no_gap_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(exact: bool = False) -> None:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    imports.end(left_with_a_gap())
    with monkeypatch.context() as patch:
        patch.setattr(lag, "group_positions", away)
        assert import_gaps.pass_import_gaps() == 0
    assert import_gaps.pass_import_gaps() == 1


def test_the_operator_sees_runs_and_where_their_lines_stood(admin_client: Client) -> None:
    run = left_with_a_gap()
    silent = left_with_a_gap("d", "v")
    over = imports.start("c.jsonl")
    let_pass(61, silent)
    imports.end(over)
    page = admin_client.get(reverse("admin:processing_importrun_changelist")).content.decode()
    assert all(state in page for state in ("goes on", "no heartbeat", "over"))
    event = admin_client.get(reverse("admin:processing_inboxevent_change", args=["b"])).content.decode()
    assert "file a.jsonl, line" in event
    assert reverse("admin:processing_importrun_change", args=[run]) in event
    lane = admin_client.get(reverse("admin:processing_lane_change", args=["u"])).content.decode()
    assert f"run {run} over its file is over" in lane
    imports.end(run)
    imports.mark(imports.find([run]), {EVENTS: 7})
    shown = admin_client.get(reverse("admin:processing_importrun_change", args=[run])).content.decode()
    assert "events, partition 0: 7" in shown
