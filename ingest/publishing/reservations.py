"""The door's memory in Redis: reservations, idempotency keys, rate limits, refusals. Nobody else here writes it.

Each step is one script for all the events at hand, so that it is atomic and costs one round trip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis
from redis.commands.core import Script

from ingest.parsing.candidate import Candidate, Refused
from ingest.parsing.identity import new_event_id
from ingest.publishing.memory import (
    Accepted,
    encode,
    may_be_shared,
    name_in_shared,
    own,
    own_key,
    read_own,
    read_record,
    read_shared,
    share,
    shared_key,
)
from ingest.publishing.submission import KEY_LIMITED, OTHER_CONTENT, Outcome, Status, Submission, Truth
from processing.domain.log_positions import Place
from processing.domain.lua_arguments import pack

WINDOW_US = 1_000_000  # of both rate limits
RESERVATION_MS = 10_000  # renewed while publishing goes on; what a dead process reserved is free again after it

Field = str | int | bytes
_KNOWN = {b"d": Status.DUPLICATE, b"c": Status.CONFLICT, b"a": Status.UNSETTLED, b"o": Status.CONFLICT}


def reserve(submissions: Sequence[Submission]) -> None:
    """Decide about every event: fills outcomes, None for those to publish. Raises `redis.RedisError`."""
    arguments: list[Field] = [
        settings.RATE_LIMIT_PER_USER,
        settings.RATE_LIMIT_PER_IP,
        WINDOW_US,
        RESERVATION_MS,
        settings.HOT_STATE_TTL_S,
    ]
    for submission in submissions:
        arguments += (submission.token, submission.request, submission.address, int(submission.counts))
        limit = submission.key_limit
        arguments += (submission.asked_user, limit.window, limit.events, len(submission.candidates))
        for event in submission.candidates:
            user_id = event.user_id if event.rated else ""
            if event.known_before:
                arguments += (2 if event.one_content else 1, event.id, user_id, event.key, event.digest)
            else:  # nor has it a key, from which its id would be derived
                arguments += (0, event.id, user_id)
    answers = iter(_run("reserve", arguments))
    for submission in submissions:
        _read_answers(submission, answers)


def _read_answers(submission: Submission, answers: Iterator[Any]) -> None:
    remaining = next(answers)
    submission.remaining = None if remaining < 0 else remaining
    key_remaining = next(answers)
    submission.key_remaining = None if key_remaining < 0 else key_remaining
    submission.address_over_limit = next(answers) == 1
    submission.outcomes = [_read_answer(event, next(answers)) for event in submission.candidates]


def _read_answer(event: Candidate, answer: int | bytes) -> Outcome | None:
    """None: reserved, to be published."""
    if answer == 0:
        return None
    if isinstance(answer, bytes):
        return Outcome(_KNOWN[answer[:1]], answer[1:].decode(), OTHER_CONTENT if answer[:1] == b"o" else "")
    if answer == 2:
        return Outcome(Status.PENDING, event.id, truth=Truth.UNKNOWN)
    return Outcome(Status.RATE_LIMITED, event.id, KEY_LIMITED if answer == 4 else "")


def confirm(
    published: Iterable[tuple[Submission, Candidate, bool]],
    places: Mapping[str, Place | None] | None = None,
    *,
    renewed: bool = False,
) -> None:
    """Remember which reserved events Kafka acknowledged, with their places by id; free what the others held.

    Raises `redis.RedisError`. `renewed`: their reservations were renewed, so ids that were made here are reserved too.
    """
    places = places or {}
    sharing: list[Candidate] = []
    arguments: list[Field] = []
    for submission, event, acknowledged in published:
        if acknowledged and not (renewed or event.known_before):
            sharing.append(event)  # nobody knows of it: there is nothing else to be done
            continue
        memory = own(event, places.get(event.id)) if acknowledged else ""
        arguments += (int(acknowledged), submission.token, int(renewed or event.known_before), event.id)
        window = submission.key_limit.window
        arguments += (event.user_id if event.rated else "", window, event.key, event.digest, memory)
    records = [each for key, record in share(sharing, places).items() for each in (key, encode(record))]
    _run("confirm", [settings.HOT_STATE_TTL_S, len(records) // 2, *records, *arguments])


def renew(under_way: Iterable[tuple[Submission, Candidate]]) -> None:
    """Keep what events hold whose publishing goes on, ids that were made here too. Raises `redis.RedisError`."""
    arguments: list[Field] = [RESERVATION_MS]
    for submission, event in under_way:
        arguments += (submission.token, event.id, event.key)
    _run("renew", arguments)


def refuse(refusals: Sequence[Refused]) -> list[str]:
    """Remember refused events; their ids, each in its place. Raises `redis.RedisError`."""
    arguments: list[Field] = [settings.HOT_STATE_TTL_S]
    for refusal in refusals:
        arguments += (refusal.id, new_event_id(), refusal.user_id, refusal.type, str(refusal.error))
    return [id.decode() for id in _run("refuse", arguments)]


def look_up(event_id: str) -> tuple[Accepted | None, dict[str, str]]:
    """What Redis knows of an event: the door's memory of it, and its hot state. Raises `redis.RedisError`."""
    accepted = remembered([event_id]).get(event_id)
    state: Any = connection().hgetall(f"event:{event_id}")
    return accepted, {name.decode(): value.decode() for name, value in state.items()}


def remembered(event_ids: Sequence[str]) -> dict[str, Accepted]:
    """The door's memory of these accepted events, where it has one. Raises `redis.RedisError`."""
    keys = list(dict.fromkeys(shared_key(id) for id in event_ids if may_be_shared(id)))
    memories: Any = connection().mget([*map(own_key, event_ids), *keys])
    records = dict(zip(keys, map(read_record, memories[len(event_ids) :]), strict=True))
    found = {
        id: read_own(memory) or read_shared(id, records.get(shared_key(id)))
        for id, memory in zip(event_ids, memories, strict=False)
    }
    return {id: accepted for id, accepted in found.items() if accepted}


def forget(lost: Iterable[tuple[str, Place]], claims: Iterable[tuple[str, str]]) -> None:
    """Forget that these events were accepted, unless they have been again meanwhile, and the `claims` of idempotency
    keys (key, value) that named them. Raises `redis.RedisError`.
    """
    arguments: list[Field] = []
    for id, place in lost:
        arguments += (own_key(id), encode(place), "")
        if may_be_shared(id):
            arguments += (shared_key(id), name_in_shared(id), name_in_shared(id, forgotten=True))
    for key, value in claims:
        arguments += (key, value, "")
    _run("forget", arguments)


def require_writable() -> None:
    """Raises `redis.RedisError` when Redis would refuse an event: full, read-only, or away. Writes nothing."""
    reserve([])


def connection() -> Redis:
    client: Redis = get_redis_connection(settings.EVENTS_CACHE)
    return client


def _run(name: str, arguments: list[Field]) -> Any:
    return _script(name)(args=[pack(arguments)], client=connection())


@cache
def _script(name: str) -> Script:
    return Script(connection(), (Path(__file__).parent / "lua" / f"{name}.lua").read_bytes())
