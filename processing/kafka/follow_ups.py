"""Follow-ups: events that handlers emitted go to the topic of all events, each at least once, in order for one user.

A user's next one is produced when Kafka has the one before it: a message that Kafka takes late must not come behind
later ones.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings

from processing.domain.effects import FOLLOW_UP
from processing.kafka import clients
from processing.kafka.troubles import reason
from processing.metrics import EFFECTS
from processing.postgres import effects
from processing.postgres.effects import Claimed

LIMIT = 500
FLUSH_S = 10  # longer than the producer's delivery timeout
HAND_S = 10.0  # what was claimed so long ago is given back: the lease is longer by more than a flush
AWAY_MS = 1_000
LEAST_MAX_BYTES, OVERHEAD_BYTES = 1_000_000, 65_536

_publishing = Lock()  # one thread a process: while Kafka is away, the worker's other threads go on
log = structlog.get_logger(__name__)


def publish_follow_ups() -> int:
    """Publish those that are due. Returns how many Kafka has acknowledged; the others are tried again by a sweep."""
    if not _publishing.acquire(blocking=False):
        return 0
    try:
        published = 0
        while (claimed := effects.claim(LIMIT, follow_ups=True)) is not None:
            done = _publish(claimed)
            published += done
            if done < len(claimed):
                break
        return published
    finally:
        _publishing.release()


def _publish(claimed: Sequence[Claimed]) -> int:
    """A wave has the first that is left of each user. A crash publishes the same ones again."""
    began = time.monotonic()
    left: dict[str, list[Claimed]] = defaultdict(list)
    for each in claimed:
        left[each.user_id].append(each)
    acknowledged: list[Claimed] = []
    try:
        while left and time.monotonic() - began < HAND_S:
            wave = [waiting[0] for waiting in left.values()]
            errors = _produce(wave)
            fine = [each for each in wave if each.id not in errors]
            acknowledged += fine
            _note(wave, errors)
            left = {each.user_id: left[each.user_id][1:] for each in fine if len(left[each.user_id]) > 1}
    except KafkaException as error:
        _producer.cache_clear()
        log.warning("Kafka takes no follow-ups; a sweep tries again", error=reason(error))
    effects.end_done([each.id for each in acknowledged])
    EFFECTS.labels(FOLLOW_UP, "done").inc(len(acknowledged))
    taken = {each.id for each in acknowledged}
    effects.put_off([each for each in claimed if each.id not in taken], AWAY_MS)
    return len(acknowledged)


def _produce(wave: Sequence[Claimed]) -> dict[int, KafkaError]:
    """By id the errors; all in-sync replicas have the others now. Raises `KafkaException` when the producer cannot go
    on."""
    producer = _producer()
    errors = {each.id: KafkaError(KafkaError._TIMED_OUT, "no answer in time") for each in wave}

    for each in wave:

        def on_delivery(error: KafkaError | None, _: Message | None, id: int = each.id) -> None:
            if error is None:
                errors.pop(id, None)
            else:
                errors[id] = error

        try:
            producer.produce(settings.KAFKA_EVENTS_TOPIC, each.value, each.user_id.encode(), on_delivery=on_delivery)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise
            errors[each.id] = error.args[0]
    producer.flush(FLUSH_S)
    return errors


def _note(wave: Sequence[Claimed], errors: Mapping[int, KafkaError]) -> None:
    """What the topic will never take is a dead letter of its own; all else is Kafka's state, and no try."""
    others = [error for error in errors.values() if error.code() != KafkaError.MSG_SIZE_TOO_LARGE]
    for each in wave:
        error = errors.get(each.id)
        if error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            effects.end_failed(each, f"the topic takes no message of this size: {error.str()}")
            EFFECTS.labels(FOLLOW_UP, "failed").inc()
            log.warning("the topic takes no follow-up of this size", id=each.event_id, bytes=len(each.value or b""))
    if others:
        _producer.cache_clear()  # a new one, and the topic if it is gone
        log.warning(
            "Kafka did not take follow-ups; a sweep tries again",
            follow_ups=len(others),
            error=reason(KafkaException(others[0])),
        )


@cache
def _producer() -> Producer:
    """One a process, made when it is first needed, and the topic with it."""
    clients.ensure_topics([settings.KAFKA_EVENTS_TOPIC])
    config = {
        "compression.type": "lz4",
        "message.max.bytes": max(LEAST_MAX_BYTES, settings.EVENT_MAX_BYTES + OVERHEAD_BYTES),
        "batch.num.messages": 1,  # the topic's limit is one of batches: none is refused for its neighbours
        "linger.ms": 0,
    }
    return Producer({**clients.producer_config(), **config})
