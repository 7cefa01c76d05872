"""Sending events to a running server by `POST /events/batch`."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import orjson

from ingest.files.send.lines import Line

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0  # for a piece of the request or of the answer to go over the wire
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
    """A pool of connections, kept open until `close`; `send` may be called from that many threads at once."""

    def __init__(self, url: str, api_key: str | None, connections: int = 1) -> None:
        """Raises `ValueError` for a URL that is none, or a key that no header can hold."""
        if not all(" " <= letter <= "\xff" and letter != "\x7f" for letter in api_key or ""):
            raise ValueError("the API key has characters that no header can carry")
        headers = {b"Content-Type": b"application/json"}
        if api_key:
            headers[b"Authorization"] = f"Api-Key {api_key}".rstrip().encode("latin-1")
        self._url = _batch_url(url)
        self._http = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            verify=ssl.create_default_context(),  # what the system trusts, not a list of httpx's
            trust_env=False,  # a proxy for the web is none for the server that is named
        )

    def close(self) -> None:
        self._http.close()

    def send(self, lines: Sequence[Line]) -> Answer:
        """Raises `Unreachable`, `Rejected`, `NotTaken`."""
        body = msgspec.json.encode({"events": [line.event for line in lines]})
        try:
            response = self._http.post(self._url, content=body)
        except httpx.RequestError as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        return read_answer(response.status_code, response.headers.get("Retry-After"), response.content, len(lines))


def _batch_url(url: str) -> httpx.URL:
    """Where batches go on this server, whatever user or query its URL names. Raises `ValueError`."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or not _is_plain(url):
        raise ValueError(f"{url!r} is no http or https URL")
    try:
        return httpx.URL(f"{parts.scheme}://{host}{parts.path.rstrip('/')}/events/batch")
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no http or https URL: {error}") from error


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
