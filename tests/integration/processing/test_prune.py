"""`manage.py prune`: it says what would go and takes just that, by the same statements as the background."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command
from pytest_django import Settings
from redis import Redis

from processing.background import retention
from processing.models import DeadLetter, FailedAttempt, InboxEvent, Lane
from processing.operators import actions
from tests.support import flaky, gaps
from tests.support.batches import column, statuses, store, value

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off", "old_events")]

AGED = {
    "processing_inboxevent": "received_at",
    "processing_failedattempt": "at",
    "processing_traceback": "hour",
    "processing_failuregroup": "last_seen",
    "processing_count": "minute",
    "processing_passedgap": "passed_at",
}


@pytest.fixture
def old_events(redis: Redis, settings: Settings) -> None:
    """Forty days old: done ones, a passed gap, a held one, an open dead letter, a discarded one, and a parked lane."""
    flaky.runs.clear()
    settings.RETRY_MAX_RETRIES = 0
    store(value("done", seq=1), value("failed", fails=9), value("discarded", fails=9))
    store(value("behind", "gapped", seq=2))
    gaps.pass_gap("gapped")
    settings.FAMILY_ON_FAILURE = {"flaky": "park"}
    store(value("parks", "parked", seq=1, fails=9), value("held", "parked", seq=2))
    column("UPDATE processing_deadletter SET published_at = now() RETURNING event_id")
    actions.discard(ids=["discarded"], actor="tester")
    for table, moment in AGED.items():
        column(f"UPDATE {table} SET {moment} = {moment} - interval '40 days' RETURNING 1")


def prune(*options: str) -> dict[str, int]:
    out = io.StringIO()
    call_command("prune", *options, stdout=out)
    head, *lines = out.getvalue().splitlines()
    assert ("would go" in head) == ("--dry-run" in options)
    return {what.strip(): int(number) for what, number in (line.split(": ") for line in lines)}


def test_a_dry_run_says_what_would_go_and_changes_nothing() -> None:
    before = statuses()
    foretold = prune("--dry-run")
    assert foretold == {
        "content of processing_inboxevent": 3,  # done, behind, discarded
        "processing_failedattempt": 3,
        "processing_traceback": 1,
        "processing_failuregroup": 0,  # it still has open letters
        "processing_effect": 0,
        "processing_replayrun": 0,
        "processing_replayitem": 0,
        "processing_edit": 0,
        "processing_count": column("SELECT count(*) FROM processing_count")[0],
    }
    assert prune("--dry-run") == foretold
    assert (statuses(), FailedAttempt.objects.count()) == (before, 3)
    assert not InboxEvent.objects.filter(payload=None).exists()


def test_it_takes_what_it_foretold_and_open_dead_letters_never(settings: Settings) -> None:
    settings.RETENTION_FORGET_DAYS = 35
    foretold = prune("--dry-run")
    assert foretold["processing_inboxevent"] == 3
    assert foretold["processing_deadletter"] == foretold["processing_passedgap"] == 1
    taken = prune()
    counted = "processing_count"  # rows of several minutes become one first
    assert {what: n for what, n in taken.items() if what != counted} == {
        what: n for what, n in foretold.items() if what != counted
    }
    assert statuses() == {"failed": ("failed", 1), "parks": ("failed", 1), "held": ("held", 0)}
    assert set(DeadLetter.objects.values_list("pk", flat=True)) == {"failed", "parks"}
    assert InboxEvent.objects.exclude(payload=None).count() == 3
    assert Lane.objects.get(user_id="parked").waits_for == "park"
    assert set(prune("--dry-run").values()) == {0}


def test_what_the_background_has_taken_is_gone_for_it_too() -> None:
    assert retention.retire() == 3
    assert set(prune("--dry-run").values()) == {0}
    column("UPDATE processing_inboxevent SET raw = 'x' WHERE id = 'done' RETURNING id")
    assert prune("--dry-run")["content of processing_inboxevent"] == 1, "what became final late"
    assert prune()["content of processing_inboxevent"] == 1
