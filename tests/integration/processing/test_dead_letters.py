"""Copies on the dead-letter topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from types import SimpleNamespace
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from ingest.http.asyncapi import LETTER
from processing.kafka import clients, dead_letter_topic
from processing.kafka.clients import ensure_topics
from processing.models import DeadLetter, ImportRun
from tests.support.factories import DeadLetterFactory, InboxEventFactory, envelope

pytestmark = pytest.mark.django_db(transaction=True)

AWAY_S = 0.2  # until a broker that is not there is known not to be


@pytest.fixture
def dlq(topics: Callable[..., str], settings: Settings) -> str:
    settings.KAFKA_DLQ_TOPIC = topics("events.dlq")
    return str(settings.KAFKA_DLQ_TOPIC)


@pytest.fixture
def read(dlq: str, settings: Settings) -> Iterator[Callable[[int], list[Message]]]:
    """Reads so many messages from the dead-letter topic."""
    consumer = Consumer({**settings.KAFKA_CLIENT_CONFIG, "group.id": dlq, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(dlq, 0, 0)])

    def messages(count: int) -> list[Message]:
        found: list[Message] = []
        while len(found) < count:
            message = consumer.poll(10)
            assert message is not None, f"{count} messages were to come, {len(found)} did"
            assert message.error() is None
            found.append(message)
        return found

    yield messages
    consumer.close()


def test_a_copy_has_the_original_bytes_and_key_and_says_where_they_stood_and_why_they_failed(
    read: Callable[[int], list[Message]],
) -> None:
    value = b' {"id": "e-1",   "userId":"u", "type":"t","payload":{},"timestamp":1790000000000}'
    event = InboxEventFactory.create(
        failed=True,
        id="e-1",
        topic="events",
        partition=3,
        offset=77,
        key=b"\xff\x00key",
        raw=value,
        error="Käse: \n no",
    )
    letter = DeadLetterFactory.create(event=event, published_at=None)
    assert dead_letter_topic.publish_pending() == 1
    (message,) = read(1)
    assert (message.key(), message.value()) == (b"\xff\x00key", value)
    assert dict(message.headers() or []) == {
        "dlq-reason": b"failed",
        "dlq-error": "Käse: \n no".encode(),
        "dlq-attempts": b"4",
        "dlq-topic": b"events",
        "dlq-partition": b"3",
        "dlq-offset": b"77",
    }
    letter.refresh_from_db()
    assert letter.published_at is not None


def test_a_copy_of_an_event_from_a_file_names_the_file_and_the_line(read: Callable[[int], list[Message]]) -> None:
    run = ImportRun.objects.create(source="café.jsonl")
    event = InboxEventFactory.create(failed=True, topic=None, partition=None, offset=12, import_run=run.pk)
    DeadLetterFactory.create(event=event, published_at=None)
    assert dead_letter_topic.publish_pending() == 1
    (message,) = read(1)
    headers = dict(message.headers() or [])
    assert (headers["dlq-file"], headers["dlq-offset"]) == ("café.jsonl".encode(), b"12")
    assert (headers["dlq-topic"], headers["dlq-partition"]) == (b"", b"")
    assert headers.keys() == LETTER["properties"].keys()  # as it is documented


def test_what_is_published_is_not_published_again(read: Callable[[int], list[Message]]) -> None:
    DeadLetterFactory.create(published_at=None)
    DeadLetterFactory.create()
    assert dead_letter_topic.publish_pending() == 1
    assert dead_letter_topic.publish_pending() == 0


def test_the_oldest_come_first_and_no_more_than_asked_for(read: Callable[[int], list[Message]]) -> None:
    ids = [DeadLetterFactory.create(published_at=None).event_id for _ in range(3)]
    start = timezone.now()
    for age, id in enumerate(ids):
        DeadLetter.objects.filter(pk=id).update(queued_at=start - timedelta(hours=age))
    assert dead_letter_topic.publish_pending(limit=2) == 2
    assert DeadLetter.objects.get(published_at=None).pk == ids[0]


def test_an_event_that_did_not_come_through_kafka_gets_the_message_that_it_would_have_been(
    read: Callable[[int], list[Message]],
) -> None:
    event = InboxEventFactory.create(
        id="e-1", user_id="ü-1", failed=True, family="game", payload='{"data":{}}', raw=None, key=None, topic=None
    )
    DeadLetterFactory.create(event=event, published_at=None)
    assert dead_letter_topic.publish_pending() == 1
    (message,) = read(1)
    assert message.key() == "ü-1".encode()
    expected = envelope("e-1", user_id="ü-1", family="game", data={}).replace(b"1790000000000", b"1789948800000")
    assert sorted(message.value() or b"") == sorted(expected)
    assert dict(message.headers() or [])["dlq-topic"] == b""


def test_a_tombstone_is_published_as_one(read: Callable[[int], list[Message]]) -> None:
    event = InboxEventFactory.create(poison=True, raw=None)
    DeadLetterFactory.create(event=event, reason=DeadLetter.Reason.POISON, published_at=None)
    assert dead_letter_topic.publish_pending() == 1
    (message,) = read(1)
    assert message.value() is None


def test_a_message_as_large_as_the_broker_takes_has_its_copy(read: Callable[[int], list[Message]]) -> None:
    event = InboxEventFactory.create(poison=True, raw=b"x" * 900_000)
    DeadLetterFactory.create(event=event, reason=DeadLetter.Reason.POISON, published_at=None)
    assert dead_letter_topic.publish_pending() == 1
    (message,) = read(1)
    assert len(message.value() or b"") == 900_000


def test_a_message_that_kafka_took_compressed_has_its_copy_whole(read: Callable[[int], list[Message]]) -> None:
    value = b"three megabytes of text in one compressed batch " * 62_500
    event = InboxEventFactory.create(poison=True, raw=value)
    DeadLetterFactory.create(event=event, reason=DeadLetter.Reason.POISON, published_at=None)
    assert dead_letter_topic.publish_pending() == 1
    (message,) = read(1)
    assert message.value() == value


@pytest.fixture
def small_topic(read: Callable[[int], list[Message]], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No copy may be larger than 2,000 bytes, or it is refused as by a broker."""
    monkeypatch.setattr(dead_letter_topic, "MESSAGE_MAX_BYTES", 2_000)
    dead_letter_topic._forget_producer()
    yield
    dead_letter_topic._forget_producer()


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The warnings of the dead-letter topic."""
    told: list[dict[str, object]] = []
    log = SimpleNamespace(warning=lambda text, **fields: told.append({"text": text, **fields}))
    monkeypatch.setattr(dead_letter_topic, "log", log)
    return told


@pytest.mark.usefixtures("small_topic")
def test_a_copy_that_is_too_large_goes_without_value_and_tells_its_size_and_digest(
    read: Callable[[int], list[Message]], warnings: list[dict[str, object]]
) -> None:
    value = b"x" * 3_000
    event = InboxEventFactory.create(poison=True, id="big", key=b"key", raw=value)
    letter = DeadLetterFactory.create(event=event, reason=DeadLetter.Reason.POISON, published_at=None)
    assert dead_letter_topic.publish_pending() == 1
    assert dead_letter_topic.publish_pending() == 0
    (message,) = read(1)
    headers = dict(message.headers() or [])
    assert (message.key(), message.value()) == (b"key", None)
    assert headers["dlq-value-bytes"] == b"3000"
    assert headers["dlq-value-sha256"] == sha256(value).hexdigest().encode()
    assert headers["dlq-reason"] == b"poison"
    assert [(each["event_id"], each["left_out"]) for each in warnings] == [("big", "value")]
    letter.refresh_from_db()
    assert letter.published_at is not None


@pytest.mark.usefixtures("small_topic")
def test_a_copy_whose_key_is_too_large_as_well_goes_without_both(read: Callable[[int], list[Message]]) -> None:
    event = InboxEventFactory.create(poison=True, key=b"k" * 4_000, raw=b"x" * 3_000)
    DeadLetterFactory.create(event=event, reason=DeadLetter.Reason.POISON, published_at=None)
    assert dead_letter_topic.publish_pending() == 1
    (message,) = read(1)
    headers = dict(message.headers() or [])
    assert (message.key(), message.value()) == (None, None)
    assert (headers["dlq-value-bytes"], headers["dlq-key-bytes"]) == (b"3000", b"4000")


@pytest.mark.usefixtures("small_topic")
def test_letters_that_kafka_refuses_in_any_form_do_not_stand_before_the_others(
    read: Callable[[int], list[Message]], warnings: list[dict[str, object]]
) -> None:
    for size in (3_000, 3_000, 3_000, 10):
        error = "an error that makes headers too large: " * 60 if size > 10 else None
        event = InboxEventFactory.create(poison=True, raw=b"x" * size, error=error)
        DeadLetterFactory.create(event=event, reason=DeadLetter.Reason.POISON, published_at=None)
    assert dead_letter_topic.publish_pending(limit=2) == 1
    assert (read(1)[0].value() or b"") == b"x" * 10
    assert DeadLetter.objects.filter(published_at=None).count() == 3
    assert [each["letters"] for each in warnings] == [2, 1], "a line for each group of letters"
    assert DeadLetter.objects.filter(published_at=None).count() == 3


def test_a_letter_that_was_replaced_while_kafka_was_spoken_to_stays_unpublished(
    dlq: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = DeadLetterFactory.create(published_at=None)
    produce = dead_letter_topic._produce

    def slow(copies: list[dead_letter_topic.Copy]) -> dead_letter_topic.Sent:
        assert not connection.in_atomic_block
        DeadLetter.objects.update(queued_at=timezone.now())
        return produce(copies)

    monkeypatch.setattr(dead_letter_topic, "_produce", slow)
    dead_letter_topic.publish_pending()
    letter.refresh_from_db()
    assert letter.published_at is None


def test_while_kafka_is_away_letters_stay_and_are_published_when_it_is_back(
    read: Callable[[int], list[Message]], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = DeadLetterFactory.create(published_at=None)
    here = settings.KAFKA_CLIENT_CONFIG
    dead_letter_topic._forget_producer()
    settings.KAFKA_CLIENT_CONFIG = {**here, "bootstrap.servers": "127.0.0.1:1"}
    with monkeypatch.context() as impatient:
        impatient.setattr(clients, "ensure_topics", lambda names: ensure_topics(names, AWAY_S))
        assert dead_letter_topic.publish_pending() == 0
    letter.refresh_from_db()
    assert letter.published_at is None
    settings.KAFKA_CLIENT_CONFIG = here
    assert dead_letter_topic.publish_pending() == 1
    assert len(read(1)) == 1


def test_the_topic_is_made_by_whoever_needs_it_first(settings: Settings, kafka_admin: AdminClient) -> None:
    settings.KAFKA_DLQ_TOPIC = f"dead-letters-of-a-new-site-{uuid4().hex[:8]}"
    dead_letter_topic._forget_producer()
    DeadLetterFactory.create(published_at=None)
    assert dead_letter_topic.publish_pending() == 1
    assert settings.KAFKA_DLQ_TOPIC in kafka_admin.list_topics(timeout=10).topics
