"""CloudEvents from Kafka in the inbox: an id stands for one content, and the headers of a message are kept with it."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import msgspec
import orjson
import pytest
from django.utils import timezone
from redis import Redis

from processing.domain.cloudevents import Headers
from processing.domain.envelope import Envelope, encode_envelope
from processing.domain.messages import Arrival, Message, Poison, read_message
from processing.domain.outcomes import BatchResult
from processing.domain.statuses import Status
from processing.engine.after_commit import after_commit
from processing.engine.process_batch import process_batch
from processing.kafka.dead_letter_topic import _copies
from processing.models import DeadLetter, InboxEvent
from processing.operators import edit
from processing.postgres import letter_copies
from processing.postgres.retention import strip_received
from tests.support.dead import dead_list, hot, try_again
from tests.support.replays import replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_tries", "hints_off")]

EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "u"}
NOW = 1_790_000_000_000
offsets = itertools.count()


def structured(data: Any, offset: int | None = None, **members: Any) -> Message:
    text = orjson.dumps({**EVENT, **members, "data": data})
    return Message("events", 0, next(offsets) if offset is None else offset, b"u", text)


def binary(data: bytes | None, **members: str) -> Message:
    headers = [(f"ce_{name}", text.encode()) for name, text in {**EVENT, **members}.items()]
    return Message("events", 0, next(offsets), b"u", data, None, headers, NOW)


def plain(data: Any, headers: Headers | None = None) -> Message:
    envelope = Envelope("/s 1", "u", "t", msgspec.Raw(orjson.dumps(data)), NOW)
    return Message("events", 0, next(offsets), b"u", encode_envelope(envelope), None, headers)


def consume(*messages: Message) -> BatchResult:
    read = [read_message(message) for message in messages]
    settled = process_batch([r for r in read if isinstance(r, Arrival)], [r for r in read if isinstance(r, Poison)])
    after_commit(settled)
    return settled


def payloads() -> dict[str, str | None]:
    return dict(InboxEvent.objects.filter(status=Status.PROCESSED).values_list("id", "payload"))


def letters() -> list[InboxEvent]:
    return list(InboxEvent.objects.filter(dead_letter__isnull=False).order_by("offset"))


@pytest.mark.parametrize("at_once", [True, False])
def test_other_data_under_an_id_is_a_dead_letter(at_once: bool, redis: Redis) -> None:
    messages = [structured({"a": 1}), binary(b'{"a":1.0}'), binary(b'{"a":2}'), structured({"a": 3}, type="x")]
    batches = [messages] if at_once else [[each] for each in messages]
    settled = [consume(*batch) for batch in batches]
    assert payloads() == {"/s 1": '{"a":1}'}
    assert [(each.user_id, each.type, each.attempts) for each in letters()] == [("u", "t", 0), ("u", "x", 0)]
    assert {each.error for each in letters()} == {
        "id: '/s 1' stands for another event already: give each event an id of its own"
    }
    assert (sum(each.count("poison") for each in settled), sum(each.count("duplicate") for each in settled)) == (2, 1)
    assert sorted(dead_list(redis)) == sorted(each.pk for each in letters())
    assert hot(redis, "/s 1")["status"] == "processed"


def test_the_same_messages_again_change_nothing() -> None:
    messages = [structured({"a": 1}), binary(b'{"a":2}')]
    consume(*messages)
    before = list(InboxEvent.objects.order_by("id").values())
    settled = consume(*messages)
    assert (settled.count("poison"), settled.count("duplicate")) == (0, 2)
    assert list(InboxEvent.objects.order_by("id").values()) == before


def test_a_plain_event_of_a_known_id_stays_a_duplicate() -> None:
    consume(plain({"a": 1}))
    consume(plain({"a": 2}))
    assert (payloads(), letters()) == ({"/s 1": '{"a":1}'}, [])
    consume(structured({"a": 2}))
    assert len(letters()) == 1


def test_an_envelope_that_the_door_made_of_a_cloudevent_counts_as_one() -> None:
    of_door: Headers = [("cloudevent", b"digest"), ("traceparent", b"00")]
    consume(plain({"a": 1}, of_door))
    consume(plain({"a": 1}, of_door), plain({"a": 2}, of_door))
    assert (payloads(), len(letters())) == ({"/s 1": '{"a":1}'}, 1)


def test_once_the_first_ones_payload_is_gone_a_later_one_is_a_duplicate() -> None:
    consume(structured({"a": 1}))
    strip_received(timezone.now() - timedelta(hours=1), timezone.now() + timedelta(hours=1))
    consume(structured({"a": 2}))
    assert (payloads(), letters()) == ({"/s 1": None}, [])


def test_a_seq_of_a_refused_event_is_nobodys() -> None:
    consume(
        structured({"a": 1}, sequence="1"), structured({"a": 2}, sequence="2"), structured({}, id="2", sequence="2")
    )
    assert sorted(payloads()) == ["/s 1", "/s 2"]
    assert letters()[0].seq is None


@pytest.mark.usefixtures("published")
def test_a_replay_loses_no_other_data() -> None:
    consume(structured({"a": 1}), binary(b'{"a":2}'))
    (letter,) = letters()
    result = replay(ids=[letter.pk], actor="ada")
    assert result.refused == {
        letter.pk: "its id '/s 1' stands for another event already: give each event an id of its own"
    }
    assert [each.pk for each in letters()] == [letter.pk]


@pytest.mark.usefixtures("published")
def test_of_poisons_with_one_id_a_replay_takes_the_first(settings: Any) -> None:
    settings.CLOUDEVENTS_USER = ["customer"]
    consume(binary(b'{"a":1}'), binary(b'{"a":2}'), binary(b'{"a":1.0}'))
    first, other, same = letters()
    assert first.error == "ce_customer: is missing: send the user as customer (CLOUDEVENTS_USER)"
    settings.CLOUDEVENTS_USER = ["subject"]
    result = replay(ids=[first.pk, other.pk, same.pk], actor="ada")
    assert result.done[first.pk] == "became '/s 1': retrying"
    assert result.done[same.pk] == "known: the inbox already has '/s 1', which it carries"
    assert "stands for another event" in result.refused[other.pk]
    event = InboxEvent.objects.get(pk="/s 1")
    assert (event.payload, event.status) == ('{"a":1}', Status.RETRYING)
    assert event.occurred_at == first.received_at.replace(microsecond=first.received_at.microsecond // 1000 * 1000)
    assert [each.pk for each in letters()] == [other.pk]


def test_the_copy_of_a_dead_letter_has_the_messages_headers_and_bytes() -> None:
    sent = binary(None, type="")
    consume(sent, binary(b'{"fail": true}', id="failing"))
    letter = DeadLetter.objects.get()
    (content,) = letter_copies.contents([letter.pk])
    assert (content.key, content.raw) == (b"u", None)
    (copy,) = _copies(letter_copies.unpublished(10))
    assert copy.headers[: len(sent.headers or ())] == list(sent.headers or ())
    assert (copy.key, copy.value) == (b"u", None)
    failing = InboxEvent.objects.get(pk="/s failing")
    assert failing.headers is not None and bytes(failing.raw or b"") == b'{"fail": true}'


@pytest.mark.usefixtures("published")
def test_what_an_operator_corrected_sent_again_as_it_was_is_the_same_event() -> None:
    consume(structured({"fail": True}))
    (event,) = InboxEvent.objects.all()
    try_again(event.id)
    edit.edit_and_replay(event.id, "{}", version=edit.find(event.id).version, actor="ada", reason="a test")
    consume(structured({"fail": True}))
    assert InboxEvent.objects.count() == 1
    assert len(letters()) == 1
