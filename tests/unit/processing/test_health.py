"""Readiness: what of all that is wrong is this process's own trouble, how long it is asked for, where it is served."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from confluent_kafka import KafkaError

from eventsite.local.services.process import free_port
from processing.consumer.membership import joins_within_s, not_taken
from processing.consumer.poll_errors import refused_setting
from processing.health import checks
from processing.health.checks import Check, Checks
from processing.health.readiness import Readiness, decide
from processing.health.server import answer, serve


def test_what_a_process_needs_fails_and_all_else_degrades() -> None:
    found = {"redis": ["full"], "postgres": ["away"], "elsewhere": ["a kind is stopped", "messages are lost"]}
    ready = decide(found, needs=["redis", "kafka"], implied={})
    assert ready.failing == {"redis": "full"}
    assert ready.degraded == ("postgres: away", "a kind is stopped", "messages are lost")
    assert ready.error() == "redis: full"


def test_what_follows_from_a_failure_is_not_told_twice() -> None:
    found = {"kafka": ["away"], "consumers": ["not known: Kafka is away"]}
    assert decide(found, needs=["kafka"], implied={"consumers": "kafka"}) == Readiness({"kafka": "away"})


def test_nothing_found_is_ready() -> None:
    assert decide({}, needs=["kafka"], implied={}) == Readiness()


class Hanging:
    """A check that hangs until it is let go."""

    def __init__(self) -> None:
        self.started = 0
        self.go = threading.Event()

    def __call__(self) -> list[str]:
        self.started += 1
        self.go.wait(60)
        return ["found"]


def test_a_check_that_hangs_is_answered_for_and_not_started_beside_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ANSWER_S", 1.0)
    check = Hanging()
    asked = Checks(hanging=check, other=lambda: ["at once"], well=list)
    for _ in range(2):
        found = asked.ask()
        assert set(found) == {"hanging", "other"}
        assert found["hanging"][0].startswith("no answer for ")
        assert found["other"] == ["at once"]
    assert check.started == 1
    monkeypatch.setattr(checks, "ANSWER_S", 60)
    check.go.set()
    assert asked.ask()["hanging"] == ["found"]
    check.go.clear()
    monkeypatch.setattr(checks, "ANSWER_S", 1.0)
    assert asked.ask()["hanging"] == ["found"]  # lately, and asking again takes too long
    check.go.set()


def test_those_who_ask_meanwhile_share_an_answer() -> None:
    check = Hanging()
    bounded = Check("hanging", check)
    runs = {bounded.begin() for _ in range(5)}
    check.go.set()
    assert [bounded.answer(run, time.monotonic() + 60) for run in runs] == [["found"]]
    assert check.started == 1


def test_a_bug_in_a_check_is_found_out() -> None:
    def broken() -> list[str]:
        raise ValueError("with what may be an event's content")

    assert Checks(broken=broken).ask() == {"broken": ["the check itself failed: ValueError"]}


@pytest.fixture
def taken() -> Iterator[int]:
    port = free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        yield port


def test_a_taken_port_leads_to_the_next(taken: int, caplog: pytest.LogCaptureFixture) -> None:
    server = serve("127.0.0.1", taken, lambda: Readiness({"kafka": "away"}))
    assert server is not None
    try:
        port = server.server_address[1]
        assert port > taken
        assert "is taken" in caplog.text
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=10) as live:
            assert json.load(live) == {"status": "live"}
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=10)
        assert refused.value.status == HTTPStatus.SERVICE_UNAVAILABLE
        assert refused.value.headers["Content-Type"] == "application/problem+json"
        assert json.load(refused.value)["failing"] == {"kafka": "away"}
    finally:
        server.shutdown()
        server.server_close()


def test_an_address_that_is_not_here_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert serve("192.0.2.1", free_port(), Readiness) is None
    assert "cannot be listened on" in caplog.text


def test_what_is_served() -> None:
    assert answer("/health/ready?x", lambda: Readiness({}, ["a kind is stopped"])) == (
        HTTPStatus.OK,
        "application/json",
        b'{"status": "ready", "degraded": ["a kind is stopped"]}',
    )
    assert answer("/metrics", Readiness)[0] is HTTPStatus.OK
    assert answer("/other", Readiness)[0] is HTTPStatus.NOT_FOUND


def test_a_group_that_does_not_take_a_consumer_is_told_with_the_protocol() -> None:
    assert joins_within_s("consumer", 6) < 10
    assert joins_within_s("classic", 6) > joins_within_s("consumer", 6)
    assert "KIP-848" in not_taken("g", "consumer")
    assert "KIP-848" not in not_taken("g", "classic")


@pytest.mark.parametrize(
    ("code", "text", "variable"),
    [
        (KafkaError._FATAL, "ConsumerGroupHeartbeat fatal error: API version not supported", "KAFKA_GROUP_PROTOCOL="),
        (KafkaError.INVALID_SESSION_TIMEOUT, "JoinGroup failed: Invalid session timeout", "KAFKA_SESSION_TIMEOUT_MS="),
    ],
)
def test_a_setting_that_the_cluster_refuses_is_named(code: int, text: str, variable: str) -> None:
    assert variable in str(refused_setting(KafkaError(code, text)))


def test_another_error_is_no_settings_fault() -> None:
    assert refused_setting(KafkaError(KafkaError._FATAL, "fenced")) is None
