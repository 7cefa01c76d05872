"""Topics that somebody deletes while everything runs: whoever needs one makes it again, and goes on."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from tests.pipeline.load import Sent
from tests.pipeline.log import ANSWER_S, Topic, read_all
from tests.pipeline.stack import PARTITIONS, Stack, only_on_real_kafka
from tests.pipeline.test_lost_messages import ask, is_up, losses

pytestmark = [pytest.mark.pipeline, only_on_real_kafka("librdkafka crashes when it deletes a topic of Tansu")]

AGAIN_WITHIN_S = 10
LINES = 60  # of a process, for whatever it met meanwhile


def delete(stack: Stack, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    deleted = id_of(stack, topic)
    admin.delete_topics([topic])[topic].result(ANSWER_S)
    # another of its name may have been made already
    stack.wait_until(lambda: id_of(stack, topic) != deleted, "the broker takes nothing for it any more")


def id_of(stack: Stack, topic: str) -> str:
    """Empty when it is not there."""
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    try:
        return str(admin.describe_topics(TopicCollection([topic]))[topic].result(ANSWER_S).topic_id)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise
        return ""


def is_there(stack: Stack, topic: str) -> bool:
    return topic in AdminClient({"bootstrap.servers": stack.kafka}).list_topics(timeout=ANSWER_S).topics


def state(stack: Stack, id: str) -> str:
    return str(ask(stack, f"/events/{id}")["status"])


def post(stack: Stack, id: str) -> str:
    """The status of the answer; empty for none."""
    try:
        return str(ask(stack, "/events", {"eventId": id, "userId": id, "type": "t"})["status"])
    except OSError:
        return ""


def test_an_idle_consumer_makes_its_topics_again_and_reads_on(stack: Stack) -> None:
    consumer = stack.start("consumer")
    stack.produce(Sent(f"a-{n}", f"u-{n}").record() for n in range(100))
    stack.wait_until_final(100)
    for topic in stack.topics:
        delete(stack, topic.name)
    for topic in list(stack.topics):
        stack.wait_until(lambda name=topic.name: is_there(stack, name), "it is made again", AGAIN_WITHIN_S)  # type: ignore[misc]
        stack.topics.remove(topic)
        topic.close()
    stack.topic = Topic(stack.kafka, stack.topic.name, stack.topic.group, PARTITIONS, make=False)
    stack.topics = [stack.topic]
    stack.produce(Sent(f"b-{n}", f"u-{n}").record() for n in range(100))
    stack.wait_until_final(200)
    assert {why for *_, why in losses(stack)} == {"made anew"}
    assert len(consumer.output().splitlines()) < LINES


def test_the_door_goes_on_and_what_it_accepted_for_the_new_topic_is_never_lost(stack: Stack) -> None:
    web = stack.start("web")
    consumer = stack.start("consumer")
    stack.wait_until(lambda: is_up(stack), "the web server is up")
    stack.wait_until(lambda: post(stack, "first") == "accepted", "the door accepts")
    stack.wait_until(lambda: state(stack, "first") == "processed", "it is processed")
    delete(stack, stack.topic.name)
    accepted: list[str] = []

    def goes_on() -> bool:
        id = f"e-{len(accepted)}"
        if post(stack, id):
            accepted.append(id)
        assert "lost" not in {state(stack, id) for id in accepted}
        return len(accepted) >= 50 and {state(stack, id) for id in accepted} == {"processed"}

    stack.wait_until(goes_on, "what it accepts is processed")
    assert len(web.output().splitlines()) < LINES
    assert len(consumer.output().splitlines()) < LINES + len(accepted)


def test_the_worker_makes_the_dead_letter_topic_again(stack: Stack) -> None:
    stack.start("worker")
    stack.start("beat")
    stack.start("consumer")
    stack.produce(Sent(f"a-{n}", f"u-{n}", fail=True).record() for n in range(3))
    stack.wait_until(lambda: len(stack.dead_letters()) == 3, "there are copies")
    delete(stack, stack.dead_letter_topic)
    stack.produce(Sent(f"b-{n}", f"u-{n}", fail=True).record() for n in range(3))
    stack.wait_until(lambda: len(read_all(stack.kafka, stack.dead_letter_topic)) == 3, "there are copies again")
