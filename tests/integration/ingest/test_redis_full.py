"""The door before a full Redis: nothing is taken, nothing is written, and it goes on by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from redis import Redis
from redis.exceptions import OutOfMemoryError

from eventsite.local.services.valkey import Valkey
from ingest.parsing.candidate import Candidate, FieldError, Refused
from ingest.publishing import reservations
from ingest.publishing.submission import Submission
from tests.integration.ingest.test_endpoints import EVENT, Post, assert_problem
from tests.support.full_redis import fill_up, make_room, sizes


@pytest.fixture
def full(tmp_path: Path, settings: Any, door: str) -> Iterator[Redis]:
    """A Redis of the door's own, not full yet. The windows of rate limits in it stay while the test runs."""
    settings.BACKPRESSURE_MAX_LAG = 0
    with Valkey(tmp_path / "redis") as service:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": service.address}}
        with Redis.from_url(service.address) as client:
            yield client
        caches["default"].close()


def test_nothing_is_taken_and_then_it_goes_on(post: Post, full: Redis) -> None:
    assert post("/events", {**EVENT, "eventId": "known"}).status_code == 202
    full.delete("rate:u")
    before = sizes(full)
    fill_up(full)
    for number in range(10):
        problem = assert_problem(post("/events", {**EVENT, "eventId": f"e{number}"}, Idempotency_Key="k"), 503)
        assert "Redis" in problem["error"]
        assert_problem(post("/events", {**EVENT, "type": ""}), 503)
    assert sizes(full) == before
    make_room(full)
    assert post("/events", {**EVENT, "eventId": "e1"}, Idempotency_Key="k").status_code == 202


RESERVED = Candidate("id", "u", "t", 5, b"value", known_before=True, key="idem:k", digest="d")


def submission() -> Submission:
    return Submission("token", "request", [RESERVED], "", 0.0, "address", counts=True)


CALLS: dict[str, Callable[[], object]] = {
    "reserve": lambda: reservations.reserve([submission()]),
    "confirm": lambda: reservations.confirm([(submission(), RESERVED, True)]),
    "confirm, not acknowledged": lambda: reservations.confirm([(submission(), RESERVED, False)]),
    "refuse": lambda: reservations.refuse([Refused(FieldError("path", "e" * 1_000), "refused", "u", "t")]),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_refused_whole_however_often_it_is_made(full: Redis, settings: Any, name: str) -> None:
    settings.RATE_LIMIT_PER_IP = 100
    for number in range(200):  # an old window, which the script would begin by emptying
        full.zadd("rate:u", {f"old{number}": number})
        full.zadd("rate:ip:address", {f"old{number}": number})
    reservations.refuse([Refused(FieldError("path", "error"), "refused")])
    before = sizes(full)
    fill_up(full)
    for _ in range(20):
        with pytest.raises(OutOfMemoryError):
            CALLS[name]()
    assert sizes(full) == before
    make_room(full)
    CALLS[name]()
