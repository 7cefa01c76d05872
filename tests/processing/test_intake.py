"""The Kafka side of the consumer, where no group is needed to see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Event as Flag
from typing import cast

import pytest
from amqp.exceptions import ConnectionForced
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from kombu.exceptions import LimitExceeded

from processing import hints, kafka
from processing.consumer import intake as intake_module
from processing.consumer.intake import Intake
from processing.faults import DatabaseUnfitError
from processing.tasks import wake
from tests.processing.batches import batch_of, value

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "hints_off")]


@pytest.fixture
def intake(topics: Callable[..., str]) -> Iterator[Intake]:
    """Its stages run; it has not subscribed."""
    stop = Flag()
    intake = Intake([topics("events")], "intake-test", 10, stop)
    intake._pipeline.start()
    yield intake
    intake._pipeline.finish(5)
    stop.set()


def test_what_was_in_hand_of_lost_partitions_is_not_waited_for(intake: Intake) -> None:
    """Else each time that partitions are given back it would wait in vain, and `--once` would never end."""
    batch = batch_of(value("a"))
    batch.positions["events", 0] = 1
    intake._in_hand.append(batch)
    intake._lost(intake._consumer, [TopicPartition("events", 0)])
    intake._hand_over(0.1)
    deadline = time.monotonic() + 3
    while not intake._is_idle() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert intake._is_idle()


class Said:
    """A message that is an error, as a poll returns it."""

    def __init__(self, code: int) -> None:
        self._error = KafkaError(code)

    def error(self) -> KafkaError:
        return self._error


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._MAX_POLL_EXCEEDED,  # it was frozen for minutes
        KafkaError._UNKNOWN_PARTITION,  # the topic was made anew with fewer
        KafkaError.UNKNOWN_TOPIC_OR_PART,  # and Kafka goes away while it is made
    ],
)
def test_it_outlives_what_polling_on_gets_over(intake: Intake, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: object) -> None:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    monkeypatch.setattr(kafka, "ensure_topics", away)
    assert not intake._is_news(cast(Message, Said(code)))


def test_stopped_while_it_waits_for_postgres_it_ends_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Flag()

    def away() -> bool:
        stop.set()
        raise DatabaseUnfitError("starting up")

    monkeypatch.setattr(kafka, "ensure_topics", lambda _: None)
    monkeypatch.setattr(intake_module, "has_migrations", away)
    Intake(["events"], "intake-test", 10, stop).run()


@pytest.mark.parametrize("error", [ConnectionForced("broker forced connection closure"), LimitExceeded(), OSError()])
def test_a_hint_that_cannot_be_sent_is_no_trouble(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(wake, "apply_async", refuse)
    hints.wake_now(["a"])
