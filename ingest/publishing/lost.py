"""Events that were accepted, and that the log lost before they were read: sent again they count.

Only an event that is known and not yet final is looked up, so new events and most duplicates pay nothing for this; and
a CloudEvent whose id came by another way than this door, or before Redis was emptied: the inbox knows its content.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from confluent_kafka import KafkaException
from redis import RedisError

from ingest.parsing.candidate import Candidate
from ingest.publishing import reservations
from ingest.publishing.errors import Unavailable
from ingest.publishing.memory import Accepted
from ingest.publishing.submission import OTHER_CONTENT, Outcome, Status, Truth
from processing.domain.away import StoppedError
from processing.domain.log_positions import Place
from processing.engine.other_content import known_contents
from processing.kafka.topic_ids import current_ids
from processing.postgres.losses import lost_events, unknown_events
from processing.postgres.transaction import retry_transient

PATIENCE_S = 1.0  # for Postgres, which the door does not need for anything else
KAFKA_TIMEOUT_S = 1.0


def is_unsettled(outcomes: Sequence[Outcome]) -> bool:
    return any(outcome.status is Status.UNSETTLED for outcome in outcomes)


def settle(candidates: Sequence[Candidate], outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    """An unsettled outcome becomes a duplicate, or a conflict where its id stands for another content; if its event was
    lost it is forgotten, and pending, as free to be sent.

    Where that cannot be told it is unavailable.
    """
    unsettled = [outcome for outcome in outcomes if outcome.status is Status.UNSETTLED]
    try:
        memories = reservations.remembered(sorted({outcome.event_id for outcome in unsettled}))
        lost = _find_lost({outcome.event_id for outcome in unsettled}, memories)
        contents = _contents(candidates, outcomes, memories)
        placed = [(id, place) for id, place in lost.items() if place is not None]
        reservations.forget(placed, _claims(candidates, outcomes, lost))
    except (RedisError, OSError) as error:
        return [_unavailable(outcome, f"Redis: {error}") for outcome in outcomes]
    except (StoppedError, KafkaException) as error:
        return [_unavailable(outcome, str(error)) for outcome in outcomes]
    return [_settled(outcome, event, lost, contents) for outcome, event in zip(outcomes, candidates, strict=True)]


def is_lost(event_id: str, place: Place) -> bool:
    """Whether it is certain that no consumer will find this accepted event. Raises `Unavailable`."""
    try:
        return bool(_lost_of({event_id: place}))
    except KafkaException:
        return False  # it may be so, but then again it may stand in a topic that was made anew
    except StoppedError as error:
        raise Unavailable(str(error)) from error


def _find_lost(ids: set[str], memories: Mapping[str, Accepted]) -> dict[str, Place | None]:
    """With their places. One that the inbox does not have, and only an idempotency key remembers, has none: whether it
    was lost cannot be told, but under the same id it counts once.

    Raises `StoppedError`, `KafkaException`.
    """
    places = {id: memory.place for id, memory in memories.items() if memory.place is not None}
    lost = _lost_of(places) if places else set()
    if forgotten := sorted(ids.difference(memories)):
        lost |= retry_transient(lambda: unknown_events(forgotten), patience_s=PATIENCE_S)
    return {id: places.get(id) for id in lost}


def _lost_of(places: Mapping[str, Place]) -> set[str]:
    """Those that are lost, by the logs that the topics have now. Raises `StoppedError`, `KafkaException`."""
    judged = retry_transient(lambda: lost_events(list(places.items())), patience_s=PATIENCE_S)
    if not judged:
        return set()
    now = current_ids({places[id].topic for id in judged}, KAFKA_TIMEOUT_S)
    return {id for id, log in judged.items() if log == now[places[id].topic] or "" in (log, now[places[id].topic])}


def _contents(
    candidates: Sequence[Candidate], outcomes: Sequence[Outcome], memories: Container[str]
) -> Mapping[str, str]:
    """What ids stand for that stand for one content, where the door has no memory of them. Raises `StoppedError`."""
    unknown = {
        event.id
        for outcome, event in zip(outcomes, candidates, strict=True)
        if event.one_content and outcome.status is Status.UNSETTLED and event.id not in memories
    }
    if not unknown:
        return {}
    return retry_transient(lambda: known_contents(unknown), patience_s=PATIENCE_S)


def _claims(
    candidates: Sequence[Candidate], outcomes: Sequence[Outcome], lost: Container[str]
) -> list[tuple[str, str]]:
    """The idempotency keys of these events that name a lost event, with what they hold."""
    return [
        (event.key, f"d:{event.digest}:{outcome.event_id}")
        for outcome, event in zip(outcomes, candidates, strict=True)
        if event.key and outcome.status is Status.UNSETTLED and outcome.event_id in lost
    ]


def _settled(outcome: Outcome, event: Candidate, lost: Container[str], contents: Mapping[str, str]) -> Outcome:
    if outcome.status is not Status.UNSETTLED:
        return outcome
    if contents.get(event.id, event.digest) != event.digest:
        return Outcome(Status.CONFLICT, event.id, OTHER_CONTENT)
    if outcome.event_id in lost:
        return Outcome(Status.PENDING, event.id, truth=Truth.UNKNOWN)
    return Outcome(Status.DUPLICATE, outcome.event_id)


def _unavailable(outcome: Outcome, error: str) -> Outcome:
    if outcome.status is not Status.UNSETTLED:
        return outcome
    return Outcome(Status.UNAVAILABLE, outcome.event_id, f"whether it was lost cannot be told: {error}", Truth.UNKNOWN)
