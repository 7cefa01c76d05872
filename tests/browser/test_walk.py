"""An operator's walk: from a handler that fails over its group and traceback to the event, and back to good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from processing.models import FailureGroup
from processing.operators.tend_replays import tend_replays
from tests.support import flaky
from tests.support.batches import value
from tests.support.dead import consume, fail_for_good
from tests.support.factories import ApiKeyFactory, DeadLetterFactory
from tests.support.operator_pages import change, changelist

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]


def test_from_a_failing_handler_to_the_mended_event(browser_page: Page) -> None:
    page = browser_page
    flaky.runs.clear()
    fail_for_good(value("order-1", family="flaky", fails=99))

    page.goto("/admin/")
    page.get_by_role("link", name="Groups", exact=False).first.click()
    page.get_by_role("link", name="RuntimeError").click()
    expect(page.locator("pre.text")).to_contain_text("in store")
    page.get_by_role("link", name="1 open").click()
    page.get_by_role("link", name="order-1").click()
    page.locator(".readonly").get_by_role("link", name="order-1", exact=True).click()
    steps = page.locator(".timeline > li")
    expect(steps).to_have_count(4)  # received, two attempts, the dead letter
    traceback = steps.nth(2).locator("details")
    traceback.locator("summary").click()
    expect(traceback.locator("pre")).to_be_visible()

    flaky.runs["order-1"] = 100  # mended
    page.get_by_role("link", name="Replay…", exact=True).click()
    page.get_by_role("button", name="Replay 1").click()
    expect(page.locator(".run h2").first).to_have_text("order-1")
    tend_replays()
    page.goto(change("inboxevent", "order-1"))
    expect(steps.last).to_contain_text("processed, attempt 3")
    page.goto(changelist("failuregroup"))
    expect(page.locator("#result_list")).to_contain_text("resolved")
    assert FailureGroup.objects.get().open == 0


def test_the_error_stands_in_sight_and_a_row_is_one_line(browser_page: Page) -> None:
    flaky.runs.clear()
    fail_for_good(value("0199d6e2-7c10-7000-8000-00000000000a", family="flaky", type="t" * 60, fails=99))
    browser_page.goto(changelist("deadletter"))
    error = browser_page.locator("#result_list .field-short_error .cut").bounding_box()
    row = browser_page.locator("#result_list tbody tr").bounding_box()
    assert error is not None
    assert row is not None
    assert error["x"] + error["width"] < 1280
    assert row["height"] < 40


def test_the_last_column_of_a_list_stands_in_its_window(browser_page: Page) -> None:
    ids = {"event__id": f"poison-{'a' * 32}", "event__user_id": "u" * 40, "event__type": "t" * 40}
    DeadLetterFactory.create(**ids, event__error="is wrong " * 20)
    moment = timezone.now() - timedelta(days=1)
    ApiKeyFactory.create(name="n" * 100, kinds=["game", "product", "revenue"], last_used_at=moment, revoked_at=moment)
    for path in (changelist("deadletter"), changelist("apikey", "ingest")):
        browser_page.goto(path)
        last = browser_page.locator("#result_list thead th").last.bounding_box()
        assert last is not None
        assert last["x"] + last["width"] < 1280


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_no_page_is_wider_than_its_window(browser_page: Page, width: int) -> None:
    consume(value("a", seq=1), value("c", seq=3))
    DeadLetterFactory.create(event__id=f"poison-{'a' * 32}", event__user_id="u" * 40, event__error="is wrong " * 20)
    browser_page.set_viewport_size({"width": width, "height": 900})
    before_a_run = "/admin/processing/replayrun/start/?choice={}"
    for path in (changelist("inboxevent"), "/admin/processing/lane/u/change/", "/", before_a_run):
        browser_page.goto(path)
        assert browser_page.evaluate("document.documentElement.scrollWidth") <= width


def test_live_shows_events_as_they_come_until_it_is_paused(browser_page: Page) -> None:
    page = browser_page
    page.goto("/admin/")
    page.get_by_role("link", name="Live").click()
    rows = page.locator("#live [data-id]")
    expect(rows).to_have_count(0)
    consume(value("first", user="ada"))
    expect(rows).to_have_count(1)
    page.get_by_label("user").fill("ada")
    page.get_by_role("button", name="Show").click()
    consume(value("second", user="bob"), value("third", user="ada"))
    expect(rows.first).to_contain_text("third")
    expect(rows).to_have_count(2)

    page.get_by_role("button", name="Pause").click()
    consume(value("fourth", user="ada"))
    with page.expect_response(lambda answer: "page=" in answer.url):  # it asks again only once it goes on
        expect(rows).to_have_count(2)
        page.get_by_role("button", name="Go on").click()
    expect(rows.first).to_contain_text("fourth")
