"""A real browser, Debian's chromium, logged in as an operator: of a server in the test, or of real processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect, sync_playwright

from eventsite.local.services.valkey import Valkey
from tests.databases import create_database, drop_database
from tests.integration.processing.conftest import hints_off as hints_off
from tests.integration.processing.conftest import published as published
from tests.integration.processing.conftest import two_tries as two_tries
from tests.pipeline.stack import Stack
from tests.pipeline.test_slow_clients import start
from tests.support.operator_pages import client_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-headless-shell")
PASSWORD = uuid4().hex
expect.set_options(timeout=30_000)  # bounds how long a broken page is waited for: a busy machine takes over 5 s
ONE_TRY = {  # an event that fails is a dead letter at once, and its kind goes on
    "RETRY_MAX_RETRIES": "0",
    "FAILURE_LIMIT_IN_A_ROW": "0",
    "FAILURE_LIMIT_PERCENT": "0",
    "FAMILY_ON_FAILURE": "revenue=park",
}


@pytest.fixture
def browser_page(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page of the server in this process. Relative addresses are its own."""
    _need_chromium()
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # playwright's loop runs in this thread
    session = client_of("ada", superuser=True).cookies[settings.SESSION_COOKIE_NAME].value
    with browse(live_server.url) as page:
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}
        page.context.add_cookies([cookie])  # type: ignore[list-item]
        yield page


@pytest.fixture(scope="module")
def running(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One of each process, for all tests of a module. `ada` may do everything."""
    _need_chromium()
    folder = tmp_path_factory.mktemp("running")
    name = f"browser_{uuid4().hex[:8]}"
    database_url = create_database(server_url, name, template)
    with Valkey(folder / "redis") as valkey:
        stack = Stack(folder, database_url, valkey.address, settings.KAFKA_BOOTSTRAP_SERVERS, **ONE_TRY)
        try:
            for process in ("consumer", "worker", "beat"):
                stack.start(process)
            superuser = ("createsuperuser", "--noinput", "--username", "ada", "--email", "ada@example.org")
            stack.manage(*superuser, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
            start(stack)
            yield stack
        finally:
            stack.close()
    drop_database(server_url, name)


@pytest.fixture
def operator_page(running: Stack) -> Iterator[Page]:
    """A page of the running pipeline, after the login."""
    with browse(f"http://127.0.0.1:{running.environment['WEB_PORT']}") as page:
        page.goto("/admin/login/?next=/admin/")
        page.locator("[name=username]").fill("ada")
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("button[type=submit]").click()
        page.wait_for_url("**/admin/")
        yield page


@contextmanager
def browse(url: str) -> Iterator[Page]:
    """Fails if a page asks anybody else for anything, or a script breaks."""
    trouble: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])  # tests may run as root
        page = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900}).new_page()
        page.on("request", lambda request: trouble.extend(_outside(request.url, url)))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        yield page
        browser.close()
    assert not trouble


def _need_chromium() -> None:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed here")


def _outside(url: str, server: str) -> list[str]:
    return [] if url.startswith("data:") or urlsplit(url).netloc == urlsplit(server).netloc else [url]
