"""Events taken in an event loop: as through Django, but that no thread waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from io import BytesIO
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from django.db import connections
from redis import Redis

from eventsite.bodies import Body
from eventsite.intake import Answered, Intake
from eventsite.rsgi import environ_of
from eventsite.threads import Threads
from ingest.api_keys import callers
from ingest.api_keys.create import create_api_key
from ingest.publishing import admission
from tests.integration.ingest.conftest import read_topic
from tests.integration.ingest.test_endpoints import EVENT

HOST = {"host": "localhost", "content-type": "application/json"}
HANGS_S = 20

Take = Callable[..., Awaitable[Answered]]


class Scope:
    """As much of a request as the server tells of it beside fields and body."""

    method, query_string, scheme, http_version, authority = "POST", "", "http", "1.1", None
    server, client = "127.0.0.1:8000", "127.0.0.1:50000"

    def __init__(self, path: str) -> None:
        self.path = path


def in_loop(work: Callable[[Take], Coroutine[Any, Any, Any]], threads: int = 4) -> Any:
    """Run what is given `take("/events", {...}, **fields)`."""
    intake = Intake(Threads(threads, "request"))

    async def take(path: str, body: Any, **fields: str) -> Answered:
        content = orjson.dumps(body)
        view = intake.view("POST", path, {}, len(content))
        assert view is not None
        environ = environ_of(Scope(path), {**HOST, **fields}, Body(len(content), BytesIO(content)))  # type: ignore[arg-type]
        return await intake.take(view, environ)

    return asyncio.run(work(take))


def read(answer: Answered) -> tuple[int, dict[str, str], Any]:
    status, headers, content = answer
    return status, dict(headers), orjson.loads(content)


def test_many_at_once_are_each_answered(door: str) -> None:
    async def many(take: Take) -> list[Answered]:
        return await asyncio.gather(*(take("/events", {**EVENT, "eventId": f"e-{number}"}) for number in range(50)))

    answers = [read(answer) for answer in in_loop(many)]
    assert [(status, body["eventId"]) for status, _, body in answers] == [(202, f"e-{number}") for number in range(50)]
    assert {headers["Location"] for _, headers, _ in answers} == {f"/events/e-{number}" for number in range(50)}
    assert len(read_topic(door)) == 50


def test_one_key_at_once_is_one_event(door: str, redis: Redis) -> None:
    async def many(take: Take) -> list[Answered]:
        return await asyncio.gather(*(take("/events", EVENT, **{"idempotency-key": "k"}) for _ in range(20)))

    answers = [read(answer) for answer in in_loop(many)]
    assert sorted(status for status, _, _ in answers) == [200] * 19 + [202]
    assert len({body["eventId"] for _, _, body in answers}) == 1
    assert redis.zcard("rate:u") == 1


def test_a_batch_tells_each_events_fate(door: str, redis: Redis) -> None:
    async def batch(take: Take) -> Answered:
        return await take("/events/batch", {"events": [EVENT, {**EVENT, "type": 1}]})

    status, headers, body = read(in_loop(batch))
    assert (status, [each["status"] for each in body["results"]]) == (202, ["accepted", "invalid"])
    assert headers["RateLimit"] == '"user";r=99;t=1'
    assert redis.exists(f"event:{body['results'][1]['eventId']}")


@pytest.mark.usefixtures("unhurried")
def test_who_waits_for_the_lag_to_fall_holds_no_thread(door: str, settings: Any, restart: Callable[[], None]) -> None:
    """A crowd of them would leave none to whoever else needs one, and be answered one after another."""

    async def five(take: Take) -> list[Answered]:
        return [await take("/events", {**EVENT, "userId": str(number)}) for number in range(5)]

    async def one(take: Take) -> Answered:
        return await asyncio.wait_for(take("/events", EVENT), HANGS_S)

    in_loop(five)
    settings.BACKPRESSURE_MAX_LAG, settings.BACKPRESSURE_WAIT_MS = 2, 100
    restart()
    status, headers, problem = read(in_loop(one, threads=0))
    assert (status, problem["outcome"], headers["Retry-After"]) == (503, "none", "2")
    assert problem["error"].startswith("the backlog is too long")


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize(
    ("body", "fields", "expected"),
    [
        ({"userId": "u"}, {}, 400),
        (EVENT, {"host": "elsewhere.example"}, 400),
        (EVENT, {"content-type": "text/plain"}, 415),
        (EVENT, {"content-type": "application/json; x*=no-coding''y"}, 415),
        (EVENT, {"content-type": "application/json; x*=undefined''%e9"}, 415),
    ],
)
def test_what_is_refused_is_a_problem(body: Any, fields: dict[str, str], expected: int) -> None:
    status, headers, problem = read(in_loop(lambda take: take("/events", body, **fields)))  # type: ignore[arg-type,return-value]
    assert (status, problem["status"], headers["Content-Type"]) == (expected, expected, "application/problem+json")


@pytest.mark.django_db(transaction=True)
def test_an_api_key_is_looked_up_by_a_thread(door: str, settings: Any) -> None:
    settings.INGEST_REQUIRE_API_KEY = True
    key = create_api_key("shop")

    async def three(take: Take) -> list[Answered]:
        keys = [f"Api-Key {key}", f"Api-Key {key}", "Api-Key wrong"]
        return [await take("/events", EVENT, authorization=each) for each in keys]

    try:
        assert [status for status, _, _ in in_loop(three)] == [202, 202, 401]
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_an_api_key_that_runs_out_meanwhile_is_not_looked_up_in_the_loop(
    door: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INGEST_REQUIRE_API_KEY = True
    field = f"Api-Key {create_api_key('shop')}"
    assert callers.caller_of(field)
    ((_, until),) = callers._cache.values()
    clock = chain([until], repeat(until + 1))
    monkeypatch.setattr(callers, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    assert read(in_loop(lambda take: take("/events", EVENT, authorization=field)))[0] == 202  # type: ignore[arg-type,return-value]


def test_after_its_deadline_the_outcome_is_unknown(
    door: str, restart: Callable[[], None], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KAFKA_CLIENT_CONFIG = {"bootstrap.servers": "127.0.0.1:1"}  # nobody listens
    monkeypatch.setattr(admission, "PATIENCE_S", 0.2)
    monkeypatch.setattr("ingest.publishing.batcher.FLUSH_WITHIN_S", 1.0)
    restart()
    status, headers, problem = read(in_loop(lambda take: take("/events", EVENT)))  # type: ignore[arg-type,return-value]
    assert (status, problem["outcome"], headers["Retry-After"]) == (503, "none", "1")
