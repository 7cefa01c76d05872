"""An operator mends what failed: a replay run with its progress, an edit, a discard that is undone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from processing.models import DeadLetter, InboxEvent, ReplayRun
from processing.operators import replay_runs
from processing.operators.tend_replays import tend_replays
from tests.support.dead import fail_for_good, try_again
from tests.support.factories import DeadLetterFactory, envelope
from tests.support.operator_pages import change, changelist

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]


def test_a_replay_run_is_read_started_watched_cancelled_and_goes_on(
    browser_page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_runs, "CHUNK", 10)
    for number in range(40):
        DeadLetterFactory.create(event__id=f"order-{number:02}")
    page = browser_page
    page.goto(changelist("deadletter"))
    page.get_by_role("link", name="Replay this list…").click()
    expect(page.locator(".figures")).to_contain_text("40")
    expect(page.locator(".effects")).to_contain_text("a new set of tries")
    page.get_by_label("Why").fill("the store is back")
    page.get_by_role("button", name="Replay 40").click()

    run = ReplayRun.objects.get()
    while ReplayRun.objects.get().replayed < 20:
        replay_runs.take_step(run.pk)
    legend = page.locator(".run .legend")
    expect(legend).to_contain_text("not replayed yet 20", timeout=10_000)  # the page refreshes itself
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".run .state")).to_contain_text("cancelled by ada")
    assert DeadLetter.objects.count() == 20

    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    while ReplayRun.objects.get().ended_at is None:
        tend_replays()
        try_again(*InboxEvent.objects.filter(status="retrying").values_list("id", flat=True))
    expect(legend).to_contain_text("succeeded 40", timeout=10_000)
    expect(page.locator(".run .state")).to_contain_text("done")
    assert not DeadLetter.objects.exists()


def test_a_payload_is_corrected_in_a_form_that_says_what_is_wrong(browser_page: Page) -> None:
    fail_for_good(envelope("e-1", seq=1, fail=True))
    page = browser_page
    page.goto(change("inboxevent", "e-1"))
    page.get_by_role("link", name="Edit and replay…").click()
    page.get_by_label("Payload").fill('{"seq": 1.5}')
    page.get_by_label("Why").fill("a typing error")
    page.get_by_role("button", name="Edit and replay").click()
    expect(page.locator("#text-error")).to_contain_text("payload.seq")
    expect(page.get_by_label("Payload")).to_have_value('{"seq": 1.5}')
    page.get_by_label("Payload").fill('{"seq": 1, "price": "1.10"}')
    page.get_by_role("button", name="Edit and replay").click()
    expect(page.locator(".run h2").first).to_have_text("e-1")
    tend_replays()
    page.goto(change("inboxevent", "e-1"))
    expect(page.locator(".timeline > li").last).to_contain_text("processed, attempt 3")
    expect(page.locator(".diff .plus").last).to_contain_text("price")


def test_a_discard_asks_why_and_is_undone(browser_page: Page) -> None:
    fail_for_good(envelope("e-1", fail=True))
    page = browser_page
    page.goto(change("deadletter", "e-1"))
    page.get_by_role("link", name="Discard…").click()
    page.get_by_role("button", name="Discard").click()  # the browser asks for the reason
    assert DeadLetter.objects.get().discarded_at is None
    page.get_by_label("Why").fill("a test of ours")
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("link", name="Undo discard…").click()
    page.get_by_role("button", name="Undo discard").click()
    expect(page.get_by_role("link", name="Replay…", exact=True)).to_be_visible()
    assert DeadLetter.objects.get().discarded_at is None
    page.goto(changelist("deadletter"))
    expect(page.locator("#result_list")).to_contain_text("e-1")
