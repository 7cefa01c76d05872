"""What became of events, as HTTP answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec
from django.conf import settings
from django.urls import get_script_prefix, get_urlconf, reverse

from ingest.http.problems import Answer, Problem, retry_after
from ingest.parsing.candidate import Parsed, Refused
from ingest.publishing.submission import Outcome, Status, Truth

WINDOW_S = 1

PENDING = "the same event or idempotency key is just being published by another request: try again"
CONFLICT = "this idempotency key was used before, with other content"
RATE_LIMITED = "the user's rate limit is used up: try again later"
ERRORS = {Status.PENDING: PENDING, Status.CONFLICT: CONFLICT, Status.RATE_LIMITED: RATE_LIMITED}


class Result(msgspec.Struct, omit_defaults=True, gc=False):
    """What became of one event."""

    eventId: str  # noqa: N815 - the wire's name
    status: Status
    error: str = ""
    outcome: Truth | msgspec.UnsetType = msgspec.UNSET


class Results(msgspec.Struct):
    """What became of each event, in their order."""

    results: list[Result]


# as the documents show them
SAMPLE_ID = "0199c0f2-8d5a-7c3e-9a41-5b0f6d2e7a10"
ACCEPTED = Result(SAMPLE_ID, Status.ACCEPTED)
DUPLICATE = Result(SAMPLE_ID, Status.DUPLICATE)
MANY = Results([ACCEPTED])


def answer_one(event: Parsed, outcome: Outcome) -> Answer:
    """As contract 3.1. Raises `Problem` for what is no success."""
    if outcome.status is Status.ACCEPTED:
        return Answer(result(outcome), HTTPStatus.ACCEPTED, {"Location": location(outcome.event_id)})
    if outcome.status is Status.DUPLICATE:
        return Answer(result(outcome), HTTPStatus.OK, {"Location": location(outcome.event_id)})
    raise refusal(event, outcome)


def refusal(event: Parsed, outcome: Outcome) -> Problem:
    error = outcome.error or ERRORS.get(outcome.status, "")
    id = outcome.event_id
    truth = outcome.truth or Truth.NONE
    match outcome.status:
        case Status.CONFLICT:
            return Problem(HTTPStatus.CONFLICT, error, eventId=id)
        case Status.PENDING:
            return Problem(HTTPStatus.CONFLICT, error, headers=retry_after(1), eventId=id, outcome=truth)
        case Status.RATE_LIMITED:
            return Problem(HTTPStatus.TOO_MANY_REQUESTS, error, headers=retry_after(WINDOW_S), eventId=id)
        case Status.UNAVAILABLE:
            named: dict[str, Any] = {"eventId": id} if id else {}
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, error, headers=retry_after(1), **named, outcome=truth)
    assert isinstance(event, Refused)
    return Problem(_status_of(event), error, errors=[event.error], eventId=id)


def _status_of(event: Refused) -> HTTPStatus:
    if event.forbidden:
        return HTTPStatus.FORBIDDEN
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if event.too_large else HTTPStatus.BAD_REQUEST


def answer_many(outcomes: Sequence[Outcome]) -> Answer:
    """As contract 3.2. Raises `Problem` when something could not be taken."""
    results = [result(outcome) for outcome in outcomes]
    seen = {outcome.status for outcome in outcomes}
    if seen & {Status.UNAVAILABLE, Status.PENDING}:
        text = next(each.error for each in results if each.status == Status.UNAVAILABLE)
        truth = Truth.UNKNOWN if any(each.outcome == Truth.UNKNOWN for each in results) else Truth.NONE
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, text, headers=retry_after(1), outcome=truth, results=results)
    headers = retry_after(WINDOW_S) if Status.RATE_LIMITED in seen else {}
    return Answer(Results(results), HTTPStatus.ACCEPTED, headers)


def result(outcome: Outcome) -> Result:
    status = outcome.status
    if status is Status.ACCEPTED or status is Status.DUPLICATE:
        return Result(outcome.event_id, status)
    shown = Status.UNAVAILABLE if status is Status.PENDING else status
    return Result(outcome.event_id, shown, outcome.error or ERRORS.get(status, ""), outcome.truth or msgspec.UNSET)


def location(event_id: str) -> str:
    """The address of an event, below whatever the project includes ours."""
    return f"{_below(get_urlconf(), get_script_prefix())}{quote(event_id, safe='')}"


@lru_cache(maxsize=16)
def _below(urlconf: str | None, script_prefix: str) -> str:
    """`script_prefix` is part of what `reverse` answers."""
    return reverse("ingest:event", urlconf, ["."]).removesuffix(".")


def limit_fields(remaining: int | None, key_limit: int = 0, key_remaining: int | None = None) -> dict[str, str]:
    """RateLimit-Policy and RateLimit of the IETF draft; nobody's units are used where no user was told."""
    limit = settings.RATE_LIMIT_PER_USER
    policies = [f'"user";q={limit};w={WINDOW_S}'] if limit else []
    if settings.RATE_LIMIT_PER_IP:
        policies.append(f'"address";q={settings.RATE_LIMIT_PER_IP};w={WINDOW_S}')
    left = [f'"user";r={limit if remaining is None else remaining};t={WINDOW_S}'] if limit else []
    if key_limit:
        policies.append(f'"key";q={key_limit};w={WINDOW_S}')
        left.append(f'"key";r={key_limit if key_remaining is None else key_remaining};t={WINDOW_S}')
    fields = {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}
    return {name: value for name, value in fields.items() if value}
