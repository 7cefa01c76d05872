"""How `send_events` speaks HTTP, to a server that only listens to what it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from eventsite.local.services.process import free_port
from ingest.files.send import client as sending
from ingest.files.send.client import Client, Unreachable

ANSWER = b'{"results": []}'


class Listener(ThreadingHTTPServer):
    """Keeps what it was sent; `answer` writes the answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[Any, str, dict[str, str]]] = []  # the connection, the path, the headers
        self.answer: Callable[[_Handler], object] = _answer

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    server: Listener

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.client_address, self.path, dict(self.headers)))
        self.server.answer(self)

    def log_message(self, format: str, *arguments: object) -> None:
        """It has nothing to say."""


def _answer(handler: _Handler, length: int = len(ANSWER)) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(ANSWER)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_as_many_connections_as_asked_for_are_kept_open(listener: Listener) -> None:
    with closing(Client(f"http://{listener.host}", None, 3)) as client, ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: client.send([]), range(30)))
    assert len(listener.requests) == 30
    assert len({connection for connection, _, _ in listener.requests}) <= 3


def test_the_path_is_kept_and_no_other_credentials_than_the_key_are_sent(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with closing(Client(f"http://me:hidden@{listener.host}/site/?a=b", "a k\xe9y ")) as client:
        client.send([])
    (_, path, headers) = listener.requests[0]
    assert (path, headers["Authorization"]) == ("/site/events/batch", "Api-Key a k\xe9y")


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with closing(Client(f"http://127.0.0.1:{free_port()}", None)) as client, pytest.raises(Unreachable):
        client.send([])


def test_an_answer_that_does_not_come_is_given_up(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    listener.answer = lambda handler: over.wait(10)
    monkeypatch.setattr(sending, "ANSWER_TIMEOUT_S", 0.2)
    try:
        with closing(Client(f"http://{listener.host}", None)) as client, pytest.raises(Unreachable, match="Timeout"):
            client.send([])
    finally:
        over.set()


def test_after_an_answer_that_was_cut_off_a_new_connection_is_made(listener: Listener) -> None:
    def cut_off(handler: _Handler) -> None:
        _answer(handler, 100)
        handler.close_connection = True

    with closing(Client(f"http://{listener.host}", None)) as client:
        listener.answer = cut_off
        with pytest.raises(Unreachable):
            client.send([])
        listener.answer = _answer
        assert client.send([]).results == []
    assert len({connection for connection, _, _ in listener.requests}) == 2


@pytest.mark.parametrize("url", ["http://host:99999", "http://host:0", "http://host:x", "http://[::1", "//host"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|[Pp]ort"):
        Client(url, None)
