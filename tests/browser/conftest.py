"""A real browser, Debian's chromium, logged in as an operator."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from playwright.sync_api import Page, sync_playwright

from tests.integration.processing.conftest import hints_off as hints_off
from tests.integration.processing.conftest import published as published
from tests.integration.processing.conftest import two_tries as two_tries
from tests.support.operator_pages import client_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-headless-shell")


@pytest.fixture
def browser_page(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """Relative addresses are the live server's. Fails if a page asks anybody else for anything, or a script breaks."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed here")
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # playwright's loop runs in this thread
    session = client_of("ada", superuser=True).cookies[settings.SESSION_COOKIE_NAME].value
    trouble: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])  # tests may run as root
        context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 900})
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
        page = context.new_page()
        page.on("request", lambda request: trouble.extend(_outside(request.url, live_server.url)))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        yield page
        browser.close()
    assert not trouble


def _outside(url: str, server: str) -> list[str]:
    return [] if url.startswith("data:") or urlsplit(url).netloc == urlsplit(server).netloc else [url]
