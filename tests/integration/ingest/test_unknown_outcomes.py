"""An answer that says "send it again" counts once: what is under way goes on, and another attempt is told its fate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection
from django_redis import get_redis_connection
from redis import Redis

from eventsite.local.services.tansu import Tansu
from eventsite.local.services.valkey import Valkey
from ingest.publishing import admission, batcher, late_groups, producer, reservations, silence
from tests.integration.ingest.conftest import read_topic
from tests.integration.ingest.test_endpoints import EVENT, Post, assert_problem
from tests.pipeline.processes import wait_until
from tests.support.frozen import freeze, thaw
from tests.support.frozen import frozen as frozen_process

CHANGE = {"userId": "u", "name": "add_revenue", "value": 100}
WITHIN_S = 30
IMPATIENT_S = 1.0


@pytest.fixture
def post(post: Post) -> Post:
    """From any thread: its own connection to Postgres is closed behind it."""
    here = threading.current_thread()

    def send(*args: Any, **kwargs: Any) -> Any:
        try:
            return post(*args, **kwargs)
        finally:
            if threading.current_thread() is not here:
                connection.close()

    return send


@pytest.fixture
def frozen(
    tmp_path: Path,
    settings: Any,
    redis: Redis,
    restart: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    transactional_db: None,
) -> Iterator[Callable[[], Any]]:
    """`with frozen():` the door's broker, which has its topic, stands still, and clients are impatient."""
    settings.BACKPRESSURE_MAX_LAG = 0
    settings.KAFKA_TOPIC_PARTITIONS = 2
    settings.LIVE_EVENT_WAIT_MS = 1_000
    monkeypatch.setattr(late_groups, "LATE_S", 0.1)
    monkeypatch.setattr(late_groups, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(batcher, "FLUSH_WITHIN_S", 1.0)
    with Tansu(tmp_path / "broker") as broker:
        settings.KAFKA_CLIENT_CONFIG = {"bootstrap.servers": broker.address}
        monkeypatch.setattr(admission, "PATIENCE_S", float(WITHIN_S))
        restart()

        assert broker.process is not None
        yield partial(frozen_for_the_impatient, broker.process.pid)


@contextmanager
def frozen_for_the_impatient(pid: int) -> Iterator[None]:
    with frozen_process(pid), pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "PATIENCE_S", IMPATIENT_S)
        yield


@pytest.fixture
def warm_up(post: Post, redis: Redis) -> Callable[[], int]:
    """The producer knows its topic and its id; how many messages that took."""

    def first() -> int:
        assert post("/events", {"userId": "first", "type": "t"}).status_code == 202
        wait_until(lambda: bool(redis.keys("accepted:*")), WITHIN_S, "it is remembered, after which nothing is written")
        redis.flushdb()
        return 1

    return first


@pytest.fixture
def warm(frozen: Callable[[], Any], warm_up: Callable[[], int]) -> int:
    return warm_up()


def messages(settings: Any) -> int:
    return len(read_topic(settings.KAFKA_EVENTS_TOPIC))


def assert_unknown(response: Any, status: int = 503) -> str:
    problem = assert_problem(response, status)
    assert problem["outcome"] == "unknown"
    assert response["Retry-After"]
    return str(problem["eventId"])


def test_the_answers_id_sent_again_counts_once(post: Post, settings: Any, frozen: Callable[[], Any], warm: int) -> None:
    with frozen():
        id = assert_unknown(post("/events", EVENT))
        assert assert_unknown(post("/events", {**EVENT, "eventId": id}), 409) == id
    answer = post("/events", {**EVENT, "eventId": id})
    assert (answer.status_code, answer.json()) == (200, {"eventId": id, "status": "duplicate"})
    assert messages(settings) == warm + 1


def test_a_key_sent_again_counts_once_with_the_answers_id_too(
    post: Post, settings: Any, frozen: Callable[[], Any], warm: int
) -> None:
    with frozen():
        id = assert_unknown(post("/events", EVENT, Idempotency_Key="k"))
        assert assert_unknown(post("/events", EVENT, Idempotency_Key="k"), 409) == id
        assert assert_unknown(post("/events", {**EVENT, "eventId": id}, Idempotency_Key="k"), 409) == id
    assert post("/events", EVENT, Idempotency_Key="k").json() == {"eventId": id, "status": "duplicate"}
    again = post("/events", {**EVENT, "eventId": id}, Idempotency_Key="k")
    assert again.json() == {"eventId": id, "status": "duplicate"}
    assert post("/events", {**EVENT, "type": "other"}, Idempotency_Key="k").status_code == 409
    assert messages(settings) == warm + 1


def test_a_second_attempt_waits_for_the_first_ones_truth(
    post: Post, settings: Any, frozen: Callable[[], Any], warm: int, monkeypatch: pytest.MonkeyPatch, redis: Redis
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with frozen():
            id = assert_unknown(post("/events", EVENT))
            monkeypatch.setattr(admission, "PATIENCE_S", float(WITHIN_S))
            second = pool.submit(post, "/events", {**EVENT, "eventId": id})
            wait_until(lambda: bool(redis.exists(f"reserved:{id}")), WITHIN_S, "its id is reserved")
        assert second.result(WITHIN_S).json() == {"eventId": id, "status": "duplicate"}
    assert messages(settings) == warm + 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k"}])
def test_two_attempts_at_once_are_one_event(
    post: Post, settings: Any, frozen: Callable[[], Any], warm: int, headers: dict[str, str], redis: Redis
) -> None:
    body = EVENT if headers else {**EVENT, "eventId": "e"}
    with frozen(), ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: post("/events", body, **headers), range(2)))
    assert sorted(answer.status_code for answer in answers) == [409, 503]
    assert len({assert_unknown(answer, answer.status_code) for answer in answers}) == 1
    assert redis.zcard("rate:u") == 1
    assert post("/events", body, **headers).json()["status"] == "duplicate"
    assert messages(settings) == warm + 1


def test_live_event_waits_longer_and_its_id_may_be_sent_again(
    post: Post, settings: Any, frozen: Callable[[], Any], warm: int
) -> None:
    with frozen():
        id = assert_unknown(post("/liveEvent", CHANGE))
    settings.LIVE_EVENT_WAIT_MS = WITHIN_S * 1_000
    assert post("/liveEvent", {**CHANGE, "eventId": id}).json() == {"message": "Event received", "eventId": id}
    with ThreadPoolExecutor(1) as pool:
        with frozen():
            waiting = pool.submit(post, "/liveEvent", CHANGE)
            time.sleep(2 * IMPATIENT_S)  # another endpoint's client has given up by now
        assert waiting.result(WITHIN_S).status_code == 200
    assert messages(settings) == warm + 2


def test_a_reservation_lasts_as_long_as_its_publishing(
    post: Post, settings: Any, frozen: Callable[[], Any], warm: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservations, "RESERVATION_MS", 2_000)  # the four attempts take 4 s
    monkeypatch.setattr(late_groups, "RENEW_EVERY_S", 0.1)
    monkeypatch.setattr(silence, "ASK_EVERY_S", 0.5)  # a broker that hangs keeps waiting who asks it
    with frozen():
        id = assert_unknown(post("/events", EVENT, Idempotency_Key="k"))
        for _ in range(2):
            assert_unknown(post("/events", {**EVENT, "eventId": id}), 409)
            assert_unknown(post("/events", EVENT, Idempotency_Key="k"), 409)
    assert post("/events", EVENT, Idempotency_Key="k").json() == {"eventId": id, "status": "duplicate"}
    assert messages(settings) == warm + 1


def test_a_batch_tells_what_was_refused_from_what_is_unknown(
    post: Post,
    settings: Any,
    frozen: Callable[[], Any],
    restart: Callable[[], None],
    redis: Redis,
    warm_up: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(producer, "MAX_QUEUED_MESSAGES", 2)
    restart()
    warm_up()
    events = [EVENT, EVENT, {**EVENT, "idempotencyKey": "k"}, {**EVENT, "type": ""}, {**EVENT, "eventId": "e"}]
    with frozen():
        response = post("/events/batch", {"events": events})
        problem = assert_problem(response, 503)
    results = problem["results"]
    assert problem["outcome"] == "unknown"
    assert [(each["status"], each.get("outcome")) for each in results] == [
        ("unavailable", "unknown"),
        ("unavailable", "unknown"),
        ("unavailable", "none"),
        ("invalid", None),
        ("unavailable", "none"),
    ]
    wait_until(
        lambda: redis.zcard("rate:u") == 2 and not redis.exists("reserved:e"), WITHIN_S, "what was refused is free"
    )
    again = [{**EVENT, "eventId": each["eventId"]} for each in results[:2]] + [events[2], events[4]]
    statuses = [post("/events/batch", {"events": [event]}).json()["results"][0]["status"] for event in again]
    assert statuses == ["duplicate", "duplicate", "accepted", "accepted"]
    assert messages(settings) == 1 + 4


def test_what_kafka_never_took_leaves_nothing_behind(
    post: Post,
    settings: Any,
    frozen: Callable[[], Any],
    restart: Callable[[], None],
    redis: Redis,
    warm_up: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(producer, "DELIVERY_TIMEOUT_MS", 5_000)  # a first message takes less, and so does a look
    restart()
    warm_up()
    with frozen():
        assert_unknown(post("/events", {**EVENT, "eventId": "e"}, Idempotency_Key="k"))
        assert redis.zcard("rate:u") == 1
        wait_until(lambda: not redis.keys("*"), WITHIN_S, "its id, its key and its unit are free again")


def test_what_kafka_has_is_accepted_though_redis_is_full(
    post: Post, settings: Any, frozen: Callable[[], Any], warm: int, tmp_path: Path
) -> None:
    with Valkey(tmp_path / "full") as service:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": service.address}}
        settings.LIVE_EVENT_WAIT_MS = WITHIN_S * 1_000
        server = Redis.from_url(service.address)
        with ThreadPoolExecutor(1) as pool:
            with frozen():
                first = pool.submit(post, "/liveEvent", CHANGE, Idempotency_Key="k")
                wait_until(lambda: bool(server.keys("reserved:*")), WITHIN_S, "it is reserved")
                server.config_set("maxmemory", 1)
            answer = first.result(WITHIN_S)
        assert answer.status_code == 200
        id = answer.json()["eventId"]
        assert assert_problem(post("/events", {**EVENT, "eventId": "e"}), 503)["outcome"] == "none"
        server.config_set("maxmemory", 0)
        wait_until(lambda: bool(server.exists(f"accepted:{id}")), WITHIN_S, "the key is written")
        assert post("/liveEvent", CHANGE, Idempotency_Key="k").json()["eventId"] == id
        server.close()
        caches["default"].close()
    assert messages(settings) == warm + 1


def test_what_kafka_has_is_accepted_though_redis_hangs(
    post: Post, settings: Any, frozen: Callable[[], Any], warm: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Valkey(tmp_path / "hanging") as service:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": service.address}}
        assert service.process is not None
        with ThreadPoolExecutor(1) as pool:
            with frozen():
                monkeypatch.setattr(admission, "PATIENCE_S", 3.0)
                first = pool.submit(post, "/events", {**EVENT, "eventId": "e"})
                redis = get_redis_connection("default")
                wait_until(lambda: bool(redis.exists("reserved:e")), WITHIN_S, "it is reserved")
                freeze(service.process.pid)
            try:
                assert first.result(WITHIN_S).status_code == 202
            finally:
                thaw(service.process.pid)
        wait_until(lambda: bool(redis.exists("accepted:e")), WITHIN_S, "the key is written")
        caches["default"].close()


def test_a_request_that_gave_up_before_its_turn_is_not_published(
    post: Post, settings: Any, frozen: Callable[[], Any], tmp_path: Path, warm: int
) -> None:
    with Valkey(tmp_path / "hanging") as service:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": service.address}}
        assert post("/events", {**EVENT, "eventId": "before"}).status_code == 202
        assert service.process is not None
        with frozen_for_the_impatient(service.process.pid):
            assert assert_problem(post("/events", {**EVENT, "eventId": "e"}), 503)["outcome"] == "none"
        assert post("/events", {**EVENT, "eventId": "f"}).status_code == 202
        assert Redis.from_url(service.address).exists("accepted:e") == 0
        caches["default"].close()
    assert messages(settings) == warm + 2
