"""Admitting events: what every ingest endpoint calls, with the events that it has read from its request."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from redis import RedisError

from ingest import metrics
from ingest.parsing.candidate import Candidate, Parsed, Refused
from ingest.parsing.identity import new_event_id
from ingest.publishing import backpressure, reservations
from ingest.publishing.batcher import gate
from ingest.publishing.errors import AddressLimited, Unavailable
from ingest.publishing.followers import follow, is_same, leaders
from ingest.publishing.lost import is_unsettled, settle
from ingest.publishing.submission import NO_LIMIT, KeyLimit, Outcome, Status, Submission, Truth
from ingest.publishing.waiting import HERE, Waiting, run_here

PATIENCE_S = 5.0  # of a client, for Kafka's acknowledgement or for another attempt's outcome
RETRY_PENDING_S = 0.02  # it grows: what takes longer than usual may take long
RETRY_PENDING_MOST_S = 0.25
PUBLISHED = (Status.ACCEPTED, Status.UNAVAILABLE)


@dataclass(frozen=True)
class Origin:
    """Where a request comes from."""

    address: str
    traceparent: str
    key_limit: KeyLimit = NO_LIMIT


@dataclass(frozen=True)
class Admitted:
    """The outcome of each event, in their order, and what is left of the limits (None: no limit): the least of their
    users', and the API key's."""

    outcomes: list[Outcome]
    remaining: int | None
    key_remaining: int | None = None


def admit(events: Sequence[Parsed], origin: Origin) -> Admitted:
    """As `take`, in a thread that waits."""
    return run_here(take(events, origin, HERE))


async def take(events: Sequence[Parsed], origin: Origin, waiting: Waiting, patience_s: float | None = None) -> Admitted:
    """Publish what is valid, remember what is refused; answered within `patience_s`, by default PATIENCE_S.

    Raises `Unavailable` and `AddressLimited`, both only where nothing was published.
    """
    await backpressure.wait(waiting)
    refused = [event for event in events if isinstance(event, Refused)]
    candidates = [event for event in events if isinstance(event, Candidate)]
    asked = next((event.user_id for event in refused if event.user_id), "")
    token = new_event_id()
    first = Submission(
        token=token,
        request=token,
        candidates=[],
        traceparent=origin.traceparent,
        deadline=time.monotonic() + (PATIENCE_S if patience_s is None else patience_s),
        address=origin.address,
        counts=bool(refused),
        asked_user=asked if not candidates else "",
        key_limit=origin.key_limit,
    )
    outcomes = iter(await _publish(candidates, first, waiting))
    refusals = iter(await waiting.call(partial(_remember, refused)) if refused else ())
    answers = [next(refusals) if isinstance(event, Refused) else next(outcomes) for event in events]
    metrics.count_events(answer.status for answer in answers)
    return Admitted(answers, first.remaining, first.key_remaining)


async def _publish(candidates: Sequence[Candidate], first: Submission, waiting: Waiting) -> list[Outcome]:
    """Through the gate, again and again for those that others are publishing, until their outcome is known."""
    leading, following = leaders(candidates)
    outcomes: dict[int, Outcome] = {}
    submission, pause_s = first, RETRY_PENDING_S
    submission.candidates = [candidates[index] for index in leading]
    while True:
        answers: Sequence[Outcome] = await _submit(submission, waiting)
        if submission.address_over_limit:
            raise AddressLimited
        if is_unsettled(answers):
            answers = await waiting.call(partial(settle, submission.candidates, answers))
        for index, answer in zip(leading, answers, strict=True):
            if index not in outcomes or answer.truth is not Truth.NONE:  # else it stays pending: no more was learnt
                outcomes[index] = answer
        leading = [index for index in leading if outcomes[index].status is Status.PENDING]
        if not leading or time.monotonic() + pause_s > gate().deadline(first.deadline):
            break
        await waiting.pause(pause_s)
        pause_s = min(RETRY_PENDING_MOST_S, pause_s * 1.5)
        submission = _again(first, [candidates[index] for index in leading], outcomes.values())
    outcomes |= {
        index: follow(outcomes[leader], same=is_same(candidates[leader], candidates[index]))
        for index, leader in following.items()
    }
    return [outcomes[index] for index in range(len(candidates))]


async def _submit(submission: Submission, waiting: Waiting) -> list[Outcome]:
    if submission.candidates:
        return await waiting.submit(submission)
    await waiting.call(partial(_count, submission))
    return []


def _count(submission: Submission) -> None:
    """Of a request without a valid event."""
    try:
        reservations.reserve([submission])  # counts for its address
    except (RedisError, OSError) as error:
        raise Unavailable(f"Redis: {error}") from error


def _again(first: Submission, candidates: Sequence[Candidate], outcomes: Iterable[Outcome]) -> Submission:
    """Another try for those pending."""
    return Submission(
        token=new_event_id(),
        candidates=candidates,
        traceparent=first.traceparent,
        deadline=first.deadline,
        # one that may be published already must not be sent away as a whole
        address="" if any(outcome.status in PUBLISHED for outcome in outcomes) else first.address,
        request=first.request,
        key_limit=first.key_limit,
    )


def _remember(refused: Sequence[Refused]) -> list[Outcome]:
    """What Redis does not take is unavailable: what was published with it keeps its own outcome."""
    try:
        ids = reservations.refuse(refused)
    except (RedisError, OSError) as error:
        return [Outcome(Status.UNAVAILABLE, event.id, f"Redis: {error}", Truth.NONE) for event in refused]
    return [Outcome(Status.INVALID, id, str(event.error)) for id, event in zip(ids, refused, strict=True)]
