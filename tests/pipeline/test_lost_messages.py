"""What vanishes from the log before it was read is told, and can be sent again. Nothing else is called a loss."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from eventsite.local.services.tansu import Tansu
from eventsite.local.services.valkey import Valkey
from tests.pipeline.load import Sent
from tests.pipeline.log import ANSWER_S, Topic
from tests.pipeline.processes import Process
from tests.pipeline.stack import PARTITIONS, Stack, only_on_real_kafka
from tests.support.health import ask_web

pytestmark = pytest.mark.pipeline

on_real_kafka = only_on_real_kafka("Tansu deletes no records, and librdkafka crashes when it deletes a topic")
COUNT = 400
USERS = 40


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Tansu]:
    with Tansu(tmp_path / "broker") as service:
        yield service


@pytest.fixture
def own_stack(tmp_path: Path, database: str, valkey: Valkey, broker: Tansu) -> Iterator[Stack]:
    """On a broker that the test may kill."""
    stack = Stack(tmp_path, database, valkey.address, broker.address)
    yield stack
    stack.close()


def ask(stack: Stack, path: str, body: object = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{stack.environment['WEB_PORT']}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read().decode()
    return text if path == "/metrics" else json.loads(text)


def is_up(stack: Stack) -> bool:
    try:
        return bool(ask(stack, "/health/live"))
    except OSError:
        return False


def purchases(stack: Stack) -> set[str]:
    """Send one unit of revenue for each id, again as long as the answer says so; the first answers but that."""
    events = [
        {"userId": f"u-{n % USERS}", "type": "add_revenue", "payload": {"value": 1}, "eventId": f"r-{n}"}
        for n in range(COUNT)
    ]
    answers: dict[str, str] = {}

    def answered() -> bool:
        left = [event for event in events if event["eventId"] not in answers]
        try:
            results = ask(stack, "/events/batch", {"events": left})["results"]
        except urllib.error.HTTPError as error:
            assert error.code == 503
            results = json.load(error)["results"]
        answers.update({each["eventId"]: each["status"] for each in results if each["status"] != "unavailable"})
        return len(answers) == COUNT

    stack.wait_until(answered, "the door has answered for every event")
    return set(answers.values())


def states(stack: Stack) -> set[str]:
    return {ask(stack, f"/events/r-{n}")["status"] for n in range(COUNT)}


def take_all_partitions(stack: Stack) -> None:
    """Wait until it has them: from then on it is no first reading."""
    stack.wait_until(lambda: len(stored(stack)) == PARTITIONS, "it has its partitions")


def stored(stack: Stack) -> dict[int, int]:
    """The stored positions of the topic, by partition."""
    statement = "SELECT partition, next_offset FROM processing_partitionposition WHERE topic = %s"
    return dict(stack.sql(statement, stack.topic.name))


def delete_records(stack: Stack, up_to: Callable[[int], int] = lambda _: OFFSET_END) -> None:
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    partitions = [TopicPartition(stack.topic.name, n, up_to(n)) for n in range(PARTITIONS)]
    for answer in admin.delete_records(partitions).values():
        answer.result(ANSWER_S)


def make_again(stack: Stack) -> None:
    """Delete the topic and make another one of its name."""
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    admin.delete_topics([stack.topic.name])[stack.topic.name].result(ANSWER_S)

    def made() -> bool:
        try:
            admin.create_topics([NewTopic(stack.topic.name, PARTITIONS, 1)])[stack.topic.name].result(ANSWER_S)
        except Exception as error:  # noqa: BLE001 - the consumer may be faster, or the old one not yet be gone
            return "already exists" in str(error) and "deletion" not in str(error)
        return True

    stack.wait_until(made, "the topic is there again")
    stack.topics.remove(stack.topic)
    stack.topic.close()
    stack.topic = Topic(stack.kafka, stack.topic.name, stack.topic.group, PARTITIONS, make=False)
    stack.topics.append(stack.topic)


def losses(stack: Stack) -> list[tuple[Any, ...]]:
    return stack.sql("SELECT partition, first_offset, last_offset, why FROM processing_loss ORDER BY id")


def lost_messages(stack: Stack) -> int:
    return int(stack.value("SELECT coalesce(sum(last_offset - first_offset + 1), 0) FROM processing_loss"))


def lose_and_send_again(stack: Stack, lose: Callable[[], None]) -> Process:
    """The whole story: 400 accepted events, nobody reads them, they are gone. Returns the consumer that told it."""
    stack.start("web")
    first = stack.start("consumer")
    take_all_partitions(stack)
    assert first.terminate() == 0
    stack.wait_until(lambda: is_up(stack), "the web server is up")
    assert purchases(stack) == {"accepted"}
    assert purchases(stack) == {"duplicate"}
    lose()
    consumer = stack.start("consumer")
    stack.wait_until(lambda: bool(losses(stack)), "the loss is on record")
    stack.wait_until(lambda: states(stack) == {"lost"}, "each event is known as lost")
    assert "messages left the log before they were read" in consumer.output()
    assert json.loads(stack.manage("pipeline_status", "--json"))["losses"]
    assert ask(stack, "/health/ready")["degraded"]
    assert "log_losses_unacknowledged{" in ask(stack, "/metrics")

    assert purchases(stack) == {"accepted"}
    stack.wait_until(lambda: stack.count("processing_inboxevent") == COUNT, "all of them are processed")
    assert states(stack) == {"processed"}
    assert purchases(stack) == {"duplicate"}
    assert stack.value("SELECT sum(revenue) FROM users_revenue") == COUNT
    stack.manage("acknowledge_losses", "--all")
    assert ask(stack, "/health/ready") == {"status": "ready"}
    return consumer


@on_real_kafka
def test_deleted_records_are_told_and_sent_again_they_count_once(stack: Stack) -> None:
    consumer = lose_and_send_again(stack, lambda: delete_records(stack))
    assert lost_messages(stack) == COUNT
    assert {why for *_, why in losses(stack)} == {"deleted"}
    assert consumer.output().count("messages left the log") == len(losses(stack))


def test_a_broker_that_forgot_its_log_is_told_and_what_it_lost_counts_once(own_stack: Stack, broker: Tansu) -> None:
    def kill() -> None:
        assert broker.process is not None
        broker.process.kill()
        broker.start_again()

    lose_and_send_again(own_stack, kill)
    assert {why for *_, why in losses(own_stack)} == {"made anew"}


def test_a_running_consumer_and_the_door_go_on_with_a_broker_that_forgot(own_stack: Stack, broker: Tansu) -> None:
    own_stack.start("web")
    own_stack.start("consumer")
    own_stack.wait_until(lambda: is_up(own_stack), "the web server is up")
    event = {"userId": "u", "type": "t"}
    own_stack.wait_until(lambda: ask_web(own_stack, "/events", {**event, "eventId": "before"})[0] == 202, "it is taken")
    own_stack.wait_for_rows(1)
    assert broker.process is not None
    broker.process.kill()
    broker.start_again()

    def accepted() -> bool:
        try:
            return str(ask(own_stack, "/events", {**event, "eventId": "after"})["status"]) in ("accepted", "duplicate")
        except OSError:  # 503 until the door has met the new broker
            return False

    own_stack.wait_until(accepted, "the door goes on")
    own_stack.wait_for_rows(2)
    own_stack.wait_until(lambda: {why for *_, why in losses(own_stack)} == {"made anew"}, "the loss is on record")


@pytest.mark.parametrize("away", [True, pytest.param(False, marks=on_real_kafka)], ids=["away", "running"])
@pytest.mark.parametrize("count", [20, 200], ids=["shorter", "longer"])
def test_a_topic_made_again_is_read_from_its_first_message(stack: Stack, count: int, away: bool) -> None:
    consumer = stack.start("consumer")
    stack.produce(Sent(f"old-{n}", f"u-{n}").record() for n in range(100))
    stack.wait_until_final(100)
    if away:
        assert consumer.terminate() == 0
    make_again(stack)
    stack.produce(Sent(f"new-{n}", f"u-{n}").record() for n in range(count))
    if away:
        consumer = stack.start("consumer")
    stack.wait_until_final(100 + count)
    found = losses(stack)
    assert sorted(partition for partition, *_ in found) == list(range(PARTITIONS))
    assert {why for *_, why in found} == {"made anew"}
    assert consumer.is_running()


@on_real_kafka
def test_what_is_deleted_while_a_consumer_runs_is_told_by_it(stack: Stack) -> None:
    consumer = stack.start("consumer")
    stack.produce(Sent(f"a-{n}", f"u-{n}").record() for n in range(100))
    stack.wait_until_final(100)
    consumer.freeze()
    stack.produce(Sent(f"b-{n}", f"u-{n}").record() for n in range(100))
    delete_records(stack)
    stack.produce(Sent(f"c-{n}", f"u-{n}").record() for n in range(100))
    consumer.thaw()
    stack.wait_until(lambda: all(topic.is_drained() for topic in stack.topics), "all is read")
    read = stack.count("processing_inboxevent")
    assert read - 100 + lost_messages(stack) == 200, "each message of the second and third part is read or told"
    assert stack.value("SELECT count(*) FROM processing_inboxevent WHERE id LIKE 'c-%%'") == 100


@on_real_kafka
def test_markers_and_aborted_messages_are_no_loss(stack: Stack) -> None:
    producer = Producer({"bootstrap.servers": stack.kafka, "transactional.id": stack.topic.name})
    producer.init_transactions(ANSWER_S)
    sent = [Sent(f"e-{n}", f"u-{n % USERS}") for n in range(200)]
    consumer = stack.start("consumer", CONSUMER_BATCH_SIZE="20")
    for start in range(0, len(sent), 20):
        for abort in (True, False):
            producer.begin_transaction()
            for event in sent[start : start + 20]:
                producer.produce(stack.topic.name, event.record().value, event.user)
            producer.abort_transaction(ANSWER_S) if abort else producer.commit_transaction(ANSWER_S)
        if start % 60 == 0:
            stack.wait_for_rows(start + 20)
            consumer.kill()
            consumer = stack.start("consumer", CONSUMER_BATCH_SIZE="20")
    stack.topic.learn_ends()
    stack.wait_until_final(len(sent))
    assert stored(stack) == stack.topic.ends()
    consumer.kill()
    delete_records(stack)  # all of it was read, markers included
    consumer = stack.start("consumer")
    stack.produce([Sent("last", "u-1").record()])
    stack.wait_for_rows(len(sent) + 1)
    assert losses(stack) == []


@on_real_kafka
def test_what_a_killed_consumer_has_stored_is_no_loss_when_it_is_deleted(stack: Stack) -> None:
    """Its offsets were not committed; the positions of its batches were."""
    sent = [Sent(f"e-{n}", f"u-{n % USERS}") for n in range(12_000)]  # it is killed in the midst of them
    stack.produce(event.record() for event in sent)
    consumer = stack.start("consumer", CONSUMER_BATCH_SIZE="50")
    stack.wait_for_rows(500)
    consumer.kill()
    reached = stored(stack)
    assert any(reached[partition] > offset for partition, offset in stack.topic.committed().items())
    delete_records(stack, reached.__getitem__)
    stack.start("consumer")
    stack.wait_until_final(len(sent))
    assert losses(stack) == []


@on_real_kafka
def test_two_consumers_tell_each_loss_once_and_a_partition_that_moves_none(stack: Stack) -> None:
    consumers = [stack.start("consumer") for _ in range(2)]
    sent = [Sent(f"e-{n}", f"u-{n}") for n in range(400)]
    stack.produce(event.record() for event in sent[:100])
    stack.wait_until_final(100)
    for consumer in consumers:
        assert consumer.terminate() == 0
    stack.produce(event.record() for event in sent[100:300])
    delete_records(stack)
    consumers = [stack.start("consumer") for _ in range(2)]
    stack.wait_until(lambda: lost_messages(stack) == 200, "the losses are on record")
    stack.produce(event.record() for event in sent[300:])
    stack.wait_until_final(200)
    consumers[0].kill()
    stack.produce(Sent(f"late-{n}", f"u-{n}").record() for n in range(100))
    stack.wait_until_final(300)
    assert lost_messages(stack) == 200
    assert len({(partition, first) for partition, first, *_ in losses(stack)}) == len(losses(stack))
