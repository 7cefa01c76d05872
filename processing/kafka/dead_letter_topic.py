"""The dead-letter topic: every dead letter's copy goes there at least once; its row knows whether it has.

Kafka may have taken the message in a compressed batch, so copies are compressed too. What is still larger than the
topic allows is published without its value, or without value and key: headers tell their size and digest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from threading import Lock

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings

from processing.domain.envelope import Envelope, encode_envelope
from processing.domain.messages import read_headers
from processing.kafka import clients
from processing.kafka.cluster import warn_of_unsafe_topics
from processing.kafka.troubles import reason
from processing.postgres.letter_copies import (
    Letter,
    LetterContent,
    contents,
    mark_published,
    unpublished,
    unpublished_of,
)

LIMIT = 500
GROUP_BYTES = 16_000_000  # of the messages that are in memory at once
MESSAGE_MAX_BYTES = 256 * 2**20  # before compression; the broker's own limit decides
HEADER_MAX_CHARS = 2_000
FLUSH_S = 10  # longer than the producer's delivery timeout
LONGEST_WAIT_S = 20  # for another thread that is publishing


# A producer waits longer for a topic that was deleted than for a message to be delivered: it is told as the latter.
PERHAPS_NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._MSG_TIMED_OUT)
WHAT_TO_DO = "it stays a dead letter without a copy and is tried again by the next sweep"

_publishing = Lock()  # one thread a process: while Kafka is away, the sweeper must not take every thread of the worker
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Copy:
    """The copy of a dead letter, as it goes to the topic."""

    letter: Letter
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


@dataclass
class Sent:
    """What became of letters that were produced; the others failed for a reason that concerns all letters."""

    acknowledged: list[Letter] = field(default_factory=list)
    too_large: list[Letter] = field(default_factory=list)
    failures: dict[int, tuple[int, Letter, KafkaError]] = field(default_factory=dict)  # by code: how many, and the last


def publish_pending(limit: int = LIMIT) -> int:
    """Publish the oldest unpublished dead letters. Returns how many Kafka acknowledged; the others stay unpublished."""
    if not _publishing.acquire(blocking=False):
        return 0
    try:
        letters = unpublished(limit)
        sent = _publish(letters)
        while letters and len(sent.too_large) == len(letters):  # they must not stand before the others for ever
            letters = unpublished(limit, after=letters[-1])
            sent = _publish(letters)
        return len(sent.acknowledged)
    finally:
        _publishing.release()


def publish(ids: Collection[str]) -> int:
    """Publish those of these dead letters that have no copy on the topic yet. Returns how many Kafka acknowledged."""
    letters = unpublished_of(ids)
    if not letters or not _publishing.acquire(timeout=LONGEST_WAIT_S):
        return 0
    try:
        return len(_publish(letters).acknowledged)
    finally:
        _publishing.release()


def _publish(letters: Sequence[Letter]) -> Sent:
    """No transaction is open while Kafka is spoken to; a crash in between publishes the same letters again."""
    total = Sent()
    try:
        for group in _groups(letters):
            sent = _produce(_copies(group))
            mark_published(sent.acknowledged)
            total.acknowledged += sent.acknowledged
            total.too_large += sent.too_large
            if len(sent.acknowledged) + len(sent.too_large) < len(group):
                break
    except KafkaException as error:
        _forget_producer()
        log.warning(f"Kafka takes no dead letters: {WHAT_TO_DO}", topic=settings.KAFKA_DLQ_TOPIC, error=reason(error))
    return total


def _groups(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    group: list[Letter] = []
    size = 0
    for letter in letters:
        if group and size + letter.size > GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(letter)
        size += letter.size
    if group:
        yield group


def _copies(letters: Sequence[Letter]) -> list[Copy]:
    """The original bytes and key; an event that did not come by Kafka gets the message that it would have had there."""
    by_id = {letter.id: letter for letter in letters}
    return [_copy(by_id[content.id], content) for content in contents(by_id)]


def _copy(letter: Letter, content: LetterContent) -> Copy:
    key, value = content.key, content.raw
    if value is None and content.headers is None and content.payload is not None and content.timestamp is not None:
        key, value = content.user_id.encode(), _envelope(content, content.payload, content.timestamp)
    headers = {
        "dlq-reason": content.reason,
        "dlq-error": content.error,
        "dlq-attempts": content.attempts,
        "dlq-topic": content.topic,
        "dlq-partition": content.partition,
        "dlq-offset": content.offset,
    }
    if content.file is not None:
        headers["dlq-file"] = content.file
    own = read_headers(content.headers) or ()
    return Copy(letter, key, value, [*own, *(_header(name, each) for name, each in headers.items())])


def _header(name: str, value: object) -> tuple[str, bytes]:
    return name, ("" if value is None else str(value))[:HEADER_MAX_CHARS].encode()


def _envelope(content: LetterContent, payload: str, timestamp: int) -> bytes:
    text, family = msgspec.Raw(payload.encode()), content.family or None
    return encode_envelope(Envelope(content.id, content.user_id, content.type, text, timestamp, family=family))


def _produce(copies: Sequence[Copy]) -> Sent:
    """As large as the topic takes them. Raises `KafkaException` when the producer cannot go on."""
    sent = _produce_once(copies)
    for lighten in (_without_value, _without_key):
        if not sent.too_large:
            break
        copies = [lighten(copy) for copy in copies if copy.letter in sent.too_large]
        again = _produce_once(copies)
        published = [copy for copy in copies if copy.letter in again.acknowledged]
        for copy in published:
            log.warning(
                "a dead letter is larger than its topic takes, even compressed: its copy has size and digest only",
                event_id=copy.letter.id,
                topic=settings.KAFKA_DLQ_TOPIC,
                bytes=copy.letter.size,
                left_out="value" if lighten is _without_value else "value, key",
            )
        sent = Sent(sent.acknowledged + again.acknowledged, again.too_large, {**sent.failures, **again.failures})
    _warn(sent)
    return sent


def _without_value(copy: Copy) -> Copy:
    return replace(copy, value=None, headers=[*copy.headers, *_digest("value", copy.value)])


def _without_key(copy: Copy) -> Copy:
    return replace(copy, key=None, headers=[*copy.headers, *_digest("key", copy.key)])


def _digest(name: str, content: bytes | None) -> list[tuple[str, bytes]]:
    if content is None:
        return []
    return [_header(f"dlq-{name}-bytes", len(content)), _header(f"dlq-{name}-sha256", sha256(content).hexdigest())]


def _produce_once(copies: Sequence[Copy]) -> Sent:
    """`acknowledged`: all in-sync replicas have them now. Raises `KafkaException` when the producer cannot go on."""
    sent = Sent()
    producer = _producer()
    for copy in copies:

        def on_delivery(error: KafkaError | None, _: Message | None, letter: Letter = copy.letter) -> None:
            _note(sent, letter, error)

        try:
            producer.produce(
                settings.KAFKA_DLQ_TOPIC, copy.value, copy.key, headers=list(copy.headers), on_delivery=on_delivery
            )
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise
            on_delivery(error.args[0], None)
    producer.flush(FLUSH_S)
    return sent


def _note(sent: Sent, letter: Letter, error: KafkaError | None) -> None:
    if error is None:
        sent.acknowledged.append(letter)
    elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        sent.too_large.append(letter)
    else:
        if error.fatal() or error.code() in PERHAPS_NO_TOPIC:
            _forget_producer()  # a new one, and the topic if it is gone
        count = sent.failures.get(error.code(), (0,))[0]
        sent.failures[error.code()] = (count + 1, letter, error)


def _warn(sent: Sent) -> None:
    """One line for each kind of failure, however many letters."""
    if sent.too_large:
        log.warning(
            f"the topic takes no dead letter of this size: raise its max.message.bytes; {WHAT_TO_DO}",
            topic=settings.KAFKA_DLQ_TOPIC,
            letters=len(sent.too_large),
            event_id=sent.too_large[-1].id,
        )
    for count, letter, error in sent.failures.values():
        log.warning(
            f"Kafka did not take a dead letter: {WHAT_TO_DO}",
            topic=settings.KAFKA_DLQ_TOPIC,
            letters=count,
            event_id=letter.id,
            error=reason(error),
        )


def _forget_producer() -> None:
    _producer.cache_clear()


@cache
def _producer() -> Producer:
    """One a process, made when it is first needed, and the topic with it."""
    clients.ensure_topics([settings.KAFKA_DLQ_TOPIC])
    warn_of_unsafe_topics([settings.KAFKA_DLQ_TOPIC])
    config = {
        "compression.type": "gzip",
        "message.max.bytes": MESSAGE_MAX_BYTES,
        "batch.num.messages": 1,  # the topic's limit is one of batches: no letter is refused for its neighbours
    }
    return Producer({**clients.producer_config(), **config})
