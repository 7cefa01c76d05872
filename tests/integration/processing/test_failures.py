"""Each failed attempt is a row with its place and traceback; dead letters fall into groups that are counted."""

from __future__ import annotations

import dataclasses
from asyncio import CancelledError
from collections.abc import Sequence
from datetime import timedelta
from secrets import token_hex

import pytest
from django.db import connection
from django.utils import timezone
from structlog.testing import capture_logs

from processing.background import retention
from processing.domain import families
from processing.domain.envelope import Event
from processing.domain.statuses import Status
from processing.engine import failure_log
from processing.models import FailedAttempt, FailureGroup, InboxEvent, Traceback
from processing.operators import actions
from tests.support import flaky
from tests.support.batches import value
from tests.support.dead import bury_bytes, consume, fail_for_good, try_again

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]
PLACE = "tests.support.flaky"


@pytest.fixture(autouse=True)
def fresh_runs() -> None:
    flaky.runs.clear()


def failing(id: str, fails: int = 99) -> bytes:
    return value(id, family="flaky", fails=fails)


def the_group() -> FailureGroup:
    return FailureGroup.objects.get()


def test_each_failed_attempt_is_a_row_that_outlives_the_success() -> None:
    consume(failing("a", fails=1), value("b", family="flaky"))
    try_again("a")
    assert InboxEvent.objects.get(pk="a").status == Status.PROCESSED
    attempt = FailedAttempt.objects.get()
    assert (attempt.event_id, attempt.attempt, attempt.error_class) == ("a", 1, "RuntimeError")
    assert attempt.place.startswith(f"{PLACE}:")
    assert attempt.place.endswith(" in store")
    assert attempt.message == "a is not ready"
    assert attempt.process
    assert FailureGroup.objects.count() == 0


def test_a_traceback_is_kept_once_for_each_cause_and_hour() -> None:
    fail_for_good(*(failing(f"e{n}") for n in range(5)))
    assert FailedAttempt.objects.count() == 10
    traceback = Traceback.objects.get()
    assert traceback.text.rstrip().endswith("is not ready")
    assert "in store" in traceback.text
    assert (traceback.hour.minute, traceback.hour.second) == (0, 0)


def test_a_transaction_that_ran_again_records_its_failures_once() -> None:
    consume(failing("a"))
    consume(failing("a"))
    assert FailedAttempt.objects.count() == 1


def test_a_traceback_has_the_error_alone_and_none_of_the_batch_that_was_halved() -> None:
    consume(*(value(f"halved-{number}", user=f"u-{number}", fails=99) for number in range(4)))
    assert Traceback.objects.get().text.count("Traceback (most recent call last)") == 1


def test_a_line_of_the_log_has_the_events_id_and_once_the_traceback() -> None:
    failure_log._told.clear()
    with capture_logs() as lines:
        consume(failing("a"))
        try_again("a")
    first, second = [line for line in lines if line["event"] == "a handler failed on an event"]
    assert (first["id"], first["attempt"], first["becomes"], first["kind"]) == ("a", 1, "retrying", "flaky")
    assert "in store" in first["traceback"]
    assert (second["attempt"], second["becomes"], "traceback" in second) == (2, "failed", False)


def test_dead_letters_of_one_cause_are_a_group_that_is_resolved_with_the_last_and_opened_again() -> None:
    fail_for_good(failing("a"), failing("b"))
    group = the_group()
    assert (group.reason, group.kind, group.error_class) == ("failed", "flaky", "RuntimeError")
    assert (group.open, group.total, group.resolved_at) == (2, 2, None)
    actions.discard(ids=["a"], actor="ada")
    assert (the_group().open, the_group().resolved_at) == (1, None)
    actions.discard(ids=["a", "b"], actor="ada")
    assert the_group().open == 0
    assert the_group().resolved_at is not None
    fail_for_good(failing("c"))
    group = the_group()
    assert (group.open, group.total, group.resolved_at) == (1, 3, None)
    assert group.first_seen < group.last_seen


def test_unreadable_messages_are_grouped_by_topic_member_and_reason() -> None:
    bury_bytes(b'{"id": 1')
    bury_bytes(b'{"id": 22')
    assert the_group().open == 2
    consume(b'{"id":"x","userId":"u","type":"t","payload":{"seq":-1},"timestamp":1790000000000}')
    consume(b'{"id":"y","userId":"u","type":"t","payload":{"seq":-22},"timestamp":1790000000000}')
    group = FailureGroup.objects.exclude(place="").get()
    assert (group.reason, group.kind, group.place, group.open) == ("poison", "topic:events", "payload.seq", 2)


class MuteError(Exception):
    def __str__(self) -> str:
        raise AttributeError("its text is made of what is not there")


@pytest.mark.parametrize("error", [SystemExit, CancelledError])
def test_what_is_no_exception_is_a_failure_too(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """It would else end the consumer, again after each start."""
    monkeypatch.setattr(flaky, "RuntimeError", error, raising=False)
    consume(failing("a"), value("b", family="flaky"))
    assert InboxEvent.objects.get(pk="a").status == Status.RETRYING
    assert InboxEvent.objects.get(pk="b").status == Status.PROCESSED
    assert FailedAttempt.objects.get().error_class == error.__name__


def test_a_lock_that_fails_beforehand_stops_nobody() -> None:
    """Handlers that are called more than once in a transaction have their rows locked first."""

    def lock(events: Sequence[Event]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM nowhere WHERE id = %s", [events[0].payload.fails])

    locking = dataclasses.replace(flaky.FLAKY, locks=lock)
    families.replace(flaky.FLAKY, locking)
    try:
        with capture_logs() as logs:
            consume(*(value(f"e-{seq}", seq=seq, fail=int(seq == 2)) for seq in (1, 2, 3)))
    finally:
        families.replace(locking, flaky.FLAKY)
    assert dict(InboxEvent.objects.values_list("pk", "status")) == {
        "e-1": "processed",
        "e-2": "retrying",
        "e-3": "held",
    }
    assert [line["event"] for line in logs if "exc_info" in line][:1] == [
        "what handlers are to lock was not locked beforehand"
    ]


def test_an_error_that_cannot_be_told_fails_its_event_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flaky, "RuntimeError", MuteError, raising=False)
    consume(failing("a"), value("b", family="flaky"))
    assert InboxEvent.objects.get(pk="b").status == Status.PROCESSED
    attempt = FailedAttempt.objects.get()
    assert (attempt.error_class, attempt.message) == ("MuteError", "its text cannot be told: AttributeError")


@pytest.mark.parametrize(
    "members",
    [
        b'"id":"x","userId":"u","type":"t","timestamp":1790000000000,"no\\u0000":123456789012345678901234567890',
        b'"specversion":"1.0","id":"x","source":"s","type":"t","partitionkey":"u","no\\u0000":"\\u0000"',
    ],
)
def test_a_member_whose_name_has_a_nul_is_a_dead_letter_and_the_rest_goes_on(members: bytes) -> None:
    consume(b"{%b}" % members, value("after", family="flaky"))
    assert (the_group().place, the_group().open) == ("…", 1)  # no sender's name makes a group
    assert InboxEvent.objects.get(pk="after").status == Status.PROCESSED


def test_a_family_of_any_length_that_nobody_declared_is_a_dead_letter_and_the_rest_goes_on() -> None:
    """It stands in an index, which takes no long text that cannot be compressed: that ended the consumer."""
    consume(value("long", family=token_hex(20_000)), value("after", family="flaky"))
    assert InboxEvent.objects.get(pk="after").status == Status.PROCESSED
    poison = InboxEvent.objects.get(dead_letter__carried_id="long")
    assert (poison.status, len(poison.family)) == (Status.FAILED, 100)


def test_retention_takes_attempts_tracebacks_and_resolved_groups() -> None:
    fail_for_good(failing("old"), failing("open"))
    long_ago = timezone.now() - timedelta(days=400)
    FailedAttempt.objects.update(at=long_ago)
    Traceback.objects.update(hour=long_ago)
    FailureGroup.objects.update(last_seen=long_ago)
    retention.retire()
    assert (FailedAttempt.objects.count(), Traceback.objects.count(), the_group().open) == (0, 0, 2)
