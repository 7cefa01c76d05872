"""Pages of other sites: which may send events and read what became of them, and which not."""

from __future__ import annotations

import pytest

from tests.pipeline.http_client import HOST, JSON, Answer, Connection, ask
from tests.pipeline.stack import Stack
from tests.pipeline.test_slow_clients import start

SITE = "https://shop.example.com"
FROM_SITE = f"Origin: {SITE}"
BODY = b'{"userId": "u", "type": "t"}'
LENGTH = f"Content-Length: {len(BODY)}"
WANTED = "authorization, content-encoding, content-type, idempotency-key, traceparent, ce-id, ce-myextension"

pytestmark = pytest.mark.pipeline


def preflight(port: int, path: str, origin: str = FROM_SITE) -> Answer:
    asked = ("Access-Control-Request-Method: POST", f"Access-Control-Request-Headers: {WANTED}")
    with Connection(port) as connection:
        return connection.send("OPTIONS", path, HOST, origin, *asked).receive()


def test_a_named_sites_pages_may_use_the_door_and_nothing_else(stack: Stack) -> None:
    port = start(stack, CORS_ALLOWED_ORIGINS=f"https://other.example.com,{SITE}")
    for path in ("/events", "/events/batch", "/game-events", "/liveEvent", "/userEvents/u", "/events/admin"):
        answer = preflight(port, path)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, SITE)
        # the star stands for every field but Authorization
        assert answer.headers["access-control-allow-headers"] == "authorization, *"
        assert answer.headers["access-control-allow-methods"] == "GET, POST"
        assert "access-control-allow-credentials" not in answer.headers
    for path in ("/admin", "/admin/", "/admin/login/", "/docs", "/schema", "/asyncapi", "/health/ready", "/metrics"):
        for answer in (preflight(port, path), ask(port, path, HOST, FROM_SITE)):
            assert not [name for name in answer.headers if name.startswith("access-control-")], path
    with Connection(port) as connection:
        for key, status in (("Idempotency-Key: k", 202), ("Idempotency-Key: k", 200), ("Idempotency-Key: ", 400)):
            answer = connection.send("POST", "/events", HOST, JSON, FROM_SITE, key, LENGTH, body=BODY).receive()
            assert answer.status == status
            assert answer.headers["access-control-allow-origin"] == SITE
            exposed = answer.headers["access-control-expose-headers"]
            assert exposed == "Location, Retry-After, RateLimit, RateLimit-Policy"
    refused = ask(port, "/events", "Host: nowhere.example.com", FROM_SITE)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (400, SITE)


def test_another_sites_pages_may_not(stack: Stack) -> None:
    port = start(stack, CORS_ALLOWED_ORIGINS=SITE)
    for origin in ("https://evil.example.com", "http://shop.example.com", f"{SITE}:8443", "null", "http://["):
        for answer in (
            preflight(port, "/events", f"Origin: {origin}"),
            ask(port, "/events", HOST, f"Origin: {origin}"),
        ):
            assert "access-control-allow-origin" not in answer.headers
            assert "origin" in answer.headers["vary"]  # for caches in between


def test_nobodys_pages_may_unless_somebody_is_named(stack: Stack) -> None:
    port = start(stack)
    assert preflight(port, "/events").status == 405
    answer = ask(port, "/events", HOST, FROM_SITE)
    assert answer.status == 200
    assert not {"access-control-allow-origin", "vary"} & answer.headers.keys()
