"""Sending events to a running server by `POST /events/batch`."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson

from ingest.files.send.lines import Line

TIMEOUT_S = 60.0
DEFAULT_WAIT_S = 1.0
FINAL = frozenset({"accepted", "duplicate", "conflict", "invalid"})


class Unreachable(Exception):
    """The server gave no answer that can be used; it may give one later."""


class Rejected(Exception):
    """The server does not take such requests; another try would not help."""


class NotTaken(Exception):
    """The server did not take the request as a whole, for what is in it."""


@dataclass(frozen=True)
class Answer:
    """What became of the lines of a request, in their order, and how long to wait with those not final (seconds)."""

    results: Sequence[dict[str, Any]]
    wait_s: float
    waits_for: str


class Client:
    """One connection for each thread, kept open until `close`."""

    def __init__(self, url: str, api_key: str | None) -> None:
        """Raises `ValueError` for a URL that is none, or a key that no header can hold."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _is_plain(url):
            raise ValueError(f"{url!r} is no http or https URL")
        if not all(" " <= letter <= "\xff" for letter in api_key or ""):
            raise ValueError("the API key has characters that no header can carry")
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port = parts.hostname, parts.port
        self._path = f"{parts.path.rstrip('/')}/events/batch"
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Api-Key {api_key}"
        self._own = threading.local()
        self._open: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        for connection in self._open:
            connection.close()

    def send(self, lines: Sequence[Line]) -> Answer:
        """Raises `Unreachable`, `Rejected`, `NotTaken`."""
        body = msgspec.json.encode({"events": [line.event for line in lines]})
        try:
            status, headers, text = self._post(body)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        return read_answer(status, headers.get("Retry-After"), text, len(lines))

    def _drop(self) -> None:
        self._own.connection.close()
        self._open.remove(self._own.connection)
        self._own.connection = None

    def _post(self, body: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._kind(self._host, self._port, timeout=TIMEOUT_S)
            self._open.append(connection)
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def _is_plain(text: str) -> bool:
    """Without what has to be escaped in a URL."""
    return text.isascii() and text.isprintable() and " " not in text


def read_answer(status: int, retry_after: str | None, text: bytes, count: int) -> Answer:
    """Raises as `Client.send`."""
    wait_s = float(retry_after) if retry_after and retry_after.isdecimal() else DEFAULT_WAIT_S
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unreachable(f"the answer {status} is no JSON") from error
    results = body.get("results") if isinstance(body, dict) else None
    if isinstance(results, list) and len(results) == count:
        return Answer(results, wait_s, next((_error(each) for each in results if each["status"] not in FINAL), ""))
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.CONFLICT):
        return Answer([{"status": "unavailable"}] * count, wait_s, _error(body))
    error_text = _error(body)
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        raise NotTaken(error_text)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unreachable(f"the server answered {status}: {error_text}")
    raise Rejected(f"the server answered {status}: {error_text}")


def _error(body: Any) -> str:
    return str(body.get("error", "")) if isinstance(body, dict) else ""
