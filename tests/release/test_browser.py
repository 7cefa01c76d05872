"""A page in a real browser sends events by `fetch`, from a site that the door names, and from one that it does not."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from eventsite.local.services.process import spawn, stop
from tests.pipeline.conftest import MakeStack
from tests.pipeline.test_slow_clients import start
from tests.release.debian import needs

BROWSER = "chromium-headless-shell"
ANSWER_S = 60
KEY = "a-key-that-the-page-knows"
PAGE = Path(__file__).with_name("page.html")


class Site(ThreadingHTTPServer):
    """Serves one page, and hears what its script tells."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.page = ""
        self.told: Queue[dict[str, Any]] = Queue()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self._answer(self.server.page.encode())

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"")
        self.server.told.put(told)

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def site() -> Iterator[Site]:
    with Site() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def open_page(site: Site, folder: Path) -> dict[str, Any]:
    """What the script of the site's page tells, in a browser of its own."""
    profile: Sequence[str] = [f"--user-data-dir={folder / str(site.server_port)}", "--no-sandbox", "--disable-gpu"]
    browser = spawn([BROWSER, *profile, site.origin], death_signal=signal.SIGTERM)
    try:
        return site.told.get(timeout=ANSWER_S)
    finally:
        stop(browser, signal.SIGTERM, 10)


@pytest.mark.pipeline
@needs(BROWSER, BROWSER)
def test_a_page_sends_and_reads_from_a_site_that_is_named(database: str, make_stack: MakeStack, tmp_path: Path) -> None:
    with site() as named, site() as unnamed:
        stack = make_stack(
            database, CORS_ALLOWED_ORIGINS=named.origin, INGEST_REQUIRE_API_KEY="1", RATE_LIMIT_PER_USER="5"
        )
        stack.manage("create_api_key", "page", "--secret", KEY)
        page = PAGE.read_text().replace("DOOR", str(start(stack))).replace("KEY", KEY)
        named.page = unnamed.page = page
        told, elsewhere = open_page(named, tmp_path), open_page(unnamed, tmp_path)
    statuses = {name: answer.get("status", answer.get("refused")) for name, answer in told.items()}
    assert statuses == {"packed": 202, "cloud": 202, "limited": 202, "read": 200, "stranger": 401, "admin": "TypeError"}
    assert told["packed"]["fields"]["location"].startswith("/events/")
    assert told["limited"]["fields"].keys() >= {"ratelimit", "ratelimit-policy", "retry-after"}
    assert {answer["refused"] for answer in elsewhere.values()} == {"TypeError"}
