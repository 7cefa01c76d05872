"""nginx in front of the site, as the docs set it up: what it lets through, and whose answer a bad request gets."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pipeline.conftest import MakeStack
from tests.pipeline.stack import Stack
from tests.pipeline.test_slow_clients import start
from tests.release.debian import needs
from tests.release.kafka import certificate
from tests.release.nginx import PROGRAM, Nginx

HOST = "events.example.com"
MIB = 2**20
EVENT = {"userId": "u", "type": "t"}
ANSWER_S = 60

pytestmark = [
    pytest.mark.pipeline,
    needs("nginx-light", PROGRAM),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: apt-get install openssl"),
]


@pytest.fixture
def proxied(database: str, make_stack: MakeStack) -> Stack:
    settings = {"ALLOWED_HOSTS": HOST, "TRUSTED_PROXY_COUNT": "1", "HTTPS_ONLY": "1", "RATE_LIMIT_PER_IP": "1000"}
    return make_stack(database, RATE_LIMIT_PER_USER="0", BODY_TIMEOUT_S="2", **settings)


@pytest.fixture
def nginx(proxied: Stack, tmp_path: Path) -> Iterator[Nginx]:
    with Nginx(tmp_path / "nginx", start(proxied), certificate(tmp_path, HOST)) as service:
        yield service


@pytest.fixture
def client(nginx: Nginx) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=nginx.address, verify=False, headers={"Host": HOST}, timeout=ANSWER_S) as client:
        yield client


def batch_of(size: int) -> bytes:
    """About so many bytes, in events that are not too large themselves."""
    events = [{**EVENT, "payload": {"text": "x" * 100_000}} for _ in range(size // 100_000)]
    return json.dumps({"events": events}).encode()


def assert_problem(answer: httpx.Response, status: int) -> None:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text


def test_bodies_pass_up_to_the_site_s_own_limit(client: httpx.Client) -> None:
    as_json = {"Content-Type": "application/json"}
    for size, status in ((9 * MIB, 202), (11 * MIB, 413), (2 * MIB, 202)):
        for content in (batch_of(size), iter([batch_of(size)])):  # of a length that is told, and in chunks
            answer = client.post("/events/batch", content=content, headers=as_json)
            assert answer.status_code == status, answer.text
            if status == 413:
                assert_problem(answer, 413)
                assert answer.json().keys() == {"type", "title", "status", "detail", "error", "errors"}
    for size, status in ((9 * MIB, 202), (11 * MIB, 413)):
        packed = gzip.compress(batch_of(size))
        answer = client.post("/events/batch", content=packed, headers={**as_json, "Content-Encoding": "gzip"})
        assert answer.status_code == status, answer.text


def test_a_slow_body_gets_the_site_s_answer(nginx: Nginx, client: httpx.Client) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    head = f"POST /events HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", nginx.port), ANSWER_S) as plain,
        context.wrap_socket(plain) as connection,
    ):
        connection.sendall(head.encode() + b'{"userId"')
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 408 ") and b"application/problem+json" in answer
    assert client.post("/events", json=EVENT).status_code == 202


def test_the_site_sees_host_client_and_scheme(proxied: Stack, client: httpx.Client) -> None:
    limited: set[str] = set()

    def is_limited() -> bool:
        """Whose requests are counted is in Redis for a second."""
        assert client.post("/events", json=EVENT, headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 202
        limited.update(map(str, proxied.redis.keys("rate:ip:*")))
        return bool(limited)

    proxied.wait_until(is_limited, "a request is counted")
    assert limited == {"rate:ip:127.0.0.1"}  # what the client wrote counts for nothing
    assert_problem(client.get("/events", headers={"Host": "elsewhere.example.com"}), 400)
    admin: Any = client.get("/admin/")
    assert (admin.status_code, admin.headers["Location"]) == (302, "/admin/login/?next=/admin/")  # https already
