"""The web server among clients that are slow, wrong and many: nobody is held up, health least of all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from eventsite.rsgi import THREADS
from tests.pipeline.http_client import HOST, JSON, Answer, Connection, answered, ask, post
from tests.pipeline.stack import Stack

EVENT = {"userId": "u", "type": "t"}
BODY = json.dumps(EVENT).encode()
PAGE = "Origin: https://shop.example"
MANY = 2 * THREADS
COUNTED = "SELECT 1 FROM processing_pipelinestate WHERE numbers <> '{}'"

pytestmark = pytest.mark.pipeline


def start(stack: Stack, **settings: str) -> int:
    """Start the web server; its port, once it listens."""
    port = int(stack.environment["WEB_PORT"])
    web = stack.start("web", **settings)

    def listens() -> bool:
        try:
            return ask(port, "/health/live").status == 200
        except ConnectionError:
            return False

    stack.wait_until(listens, "the web server listens")
    assert web.is_running()
    return port


@pytest.fixture
def many() -> Iterator[ExitStack]:
    with ExitStack() as connections:
        yield connections


def half_sent(port: int, connections: ExitStack) -> list[Connection]:
    """Twice as many requests as there are threads, with half of their bodies."""
    opened = [connections.enter_context(Connection(port)) for _ in range(MANY)]
    for each in opened:
        each.send("POST", "/events", HOST, JSON, f"Content-Length: {len(BODY)}", body=BODY[:10])
    return opened


def assert_problem(answer: Answer, status: int) -> dict[str, Any]:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer
    body: dict[str, Any] = answer.json()
    return body


def test_half_sent_bodies_hold_up_nobody_and_are_given_up(stack: Stack, many: ExitStack) -> None:
    port = start(stack, BODY_TIMEOUT_S="8")
    assert post(port, "/events", EVENT).status == 202  # the door's first takes longer
    slow = half_sent(port, many)
    late = many.enter_context(Connection(port)).send("POST", "/nowhere", HOST, "Content-Length: 5", body=b"1")
    assert ask(port, "/health/live").json() == {"status": "live"}
    assert post(port, "/events", EVENT).status == 202
    slow[0].socket.sendall(BODY[10:])
    assert slow[0].receive().status == 202
    for each in slow[1:]:
        answer = each.receive()
        assert "did not come within 8 s" in assert_problem(answer, 408)["error"]
        assert "ratelimit-policy" in answer.headers
        assert each.is_closed()
    assert_problem(late.receive(), 404)
    assert slow[0].send("GET", "/health/live", HOST).receive().status == 200  # a connection that was slow, not late


def test_half_sent_bodies_do_not_hold_up_the_end(stack: Stack, many: ExitStack) -> None:
    port = start(stack, BODY_TIMEOUT_S="60")
    slow = half_sent(port, many)
    assert ask(port, "/health/live").status == 200
    assert stack.processes[0].terminate() == 0
    assert {each.receive().status for each in slow} == {503}


def test_health_answers_while_every_thread_waits(stack: Stack, many: ExitStack) -> None:
    port = start(stack, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", LIVE_EVENT_WAIT_MS="60000", BACKPRESSURE_MAX_LAG="0")
    body = json.dumps({"userId": "u", "name": "add_revenue", "value": 1}).encode()
    for _ in range(MANY):
        connection = many.enter_context(Connection(port))
        # a browser's, which Django answers, in a thread
        connection.send("POST", "/liveEvent", HOST, JSON, PAGE, f"Content-Length: {len(body)}", body=body)
    waiting: list[Connection] = []

    def has_to_wait() -> bool:
        waiting.append(many.enter_context(Connection(port)).send("GET", "/nowhere", HOST))
        return not any(waiting[-1].has_answer() for _ in range(10))  # one that is only slow answers in this time

    stack.wait_until(has_to_wait, "no thread is free")
    assert ask(port, "/health/live", "Host: 10.0.0.1:9999").json() == {"status": "live"}
    assert_problem(ask(port, "/health/ready", "Host: _"), 503)
    assert ask(port, "/metrics", "Host: probe.internal").status == 200
    assert not waiting[-1].has_answer()  # all of this while no thread was free


def test_a_body_that_is_too_large_is_not_read(stack: Stack, many: ExitStack) -> None:
    port = start(stack, BODY_MAX_BYTES="1000", BODY_TIMEOUT_S="60")
    announced = many.enter_context(Connection(port)).send("POST", "/events", HOST, JSON, "Content-Length: 1001")
    assert "1000 bytes" in assert_problem(announced.receive(), 413)["error"]
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
    chunked = many.enter_context(Connection(port))
    chunked.send("POST", "/events", HOST, JSON, "Transfer-Encoding: chunked", body=chunk)
    assert_problem(chunked.receive(), 413)
    whole = many.enter_context(Connection(port))
    end = b"\r\n0\r\n\r\n"
    body = f"{len(BODY):x}\r\n".encode() + BODY + end
    for _ in range(2):
        whole.send("POST", "/events", HOST, JSON, "Transfer-Encoding: chunked", body=body)
        assert whole.receive().status == 202


def test_an_unknown_path_is_unknown_to_every_method(stack: Stack, many: ExitStack) -> None:
    connection = many.enter_context(Connection(start(stack)))
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "BREW"):
        for path in (
            "/nowhere",
            "/events/",
            "//events",
            "/product-events/",
            "/admin/nowhere",
            "/static/nothing",
            "/%ff",
        ):
            assert_problem(connection.send(method, path, HOST).receive(), 404)
    assert_problem(connection.send("POST", "/events", "Host: elsewhere.example").receive(), 400)


def test_many_readers_take_no_more_connections_than_they_may(stack: Stack, many: ExitStack) -> None:
    port = start(stack, DATABASE_MAX_CONNECTIONS="8")
    stack.wait_until(lambda: stack.sql(COUNTED) != [], "what waits is counted")
    stack.sql("UPDATE processing_pipelinestate SET counted_at = now() + interval '1 hour'")  # it takes a connection
    connections = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                     AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""  # autovacuum comes and goes
    with psycopg.connect(stack.environment["DATABASE_URL"]) as lock:
        lock.execute("LOCK TABLE processing_inboxevent")
        readers = [many.enter_context(Connection(port)).send("GET", "/events/any", HOST) for _ in range(140)]
        stack.wait_until(lambda: len(answered(readers)) == 132, "all but 8 are sent away")
        # and the one that holds the lock; the server's parent process has given back what it looked with at its start
        stack.wait_until(lambda: stack.value(connections) == 8 + 1, "8 connections are left")
        assert ask(port, "/health/live").status == 200
    answers = [each.receive() for each in readers]
    assert Counter(answer.status for answer in answers) == {503: 132, 404: 8}
    away = next(answer for answer in answers if answer.status == 503)
    assert "more requests need it" in assert_problem(away, 503)["error"]
    assert away.headers["retry-after"] == "1"
    stack.wait_until(lambda: stack.value(connections) <= 1, "all but the heartbeat's are given back")
    assert ask(port, "/events/any").status == 404
