"""Replay runs: what they take, how they go on, are cancelled, and tell what came of their events."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from processing.background import retention
from processing.domain.replays import Choice
from processing.domain.statuses import Status
from processing.models import DeadLetter, InboxEvent, OperatorAction, ReplayItem, ReplayRun
from processing.operators import actions, replay_runs
from processing.operators.chunks import Refused
from processing.operators.replay_preview import preview
from processing.operators.tend_replays import tend_replays
from tests.support.dead import bury_bytes, consume, fail_for_good, row, try_again
from tests.support.factories import DeadLetterFactory, InboxEventFactory, LaneFactory, envelope
from tests.support.replays import finish, replay

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]


def positions() -> list[str]:
    return list(ReplayItem.objects.order_by("position").values_list("event_id", flat=True))


def counts(run: int) -> dict[str, int]:
    names = ("chosen", "replayed", "succeeded", "failed", "skipped", "refused")
    found: dict[str, int] = ReplayRun.objects.values(*names).get(pk=run)
    return found


# --- what it takes, and in which order ---


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        # without numbers: the log
        ([("a", "u", None), ("b", "u", None)], ["a", "b"]),
        # with numbers: by them
        ([("a", "u", 3), ("b", "u", 1), ("c", "u", 2)], ["b", "c", "a"]),
        # what has no number keeps its place among those that have one
        ([("a", "u", 2), ("x", "u", None), ("b", "u", 1)], ["b", "x", "a"]),
        # users do not mix
        ([("a", "u", 2), ("p", "v", 1), ("b", "u", 1), ("q", "v", 2)], ["b", "p", "a", "q"]),
    ],
)
def test_a_users_numbered_events_go_by_number_and_all_others_by_the_log(
    log: list[tuple[str, str, int | None]], expected: list[str]
) -> None:
    start = timezone.now()
    for offset, (id, user, seq) in enumerate(log):
        place = {"event__offset": offset, "event__received_at": start}
        DeadLetterFactory.create(event__id=id, event__user_id=user, event__seq=seq, **place)
    finish(replay_runs.start(Choice(), actor="ada"))
    assert positions() == expected


def test_letters_of_files_follow_each_other_by_run_and_line() -> None:
    received = timezone.now()
    for run, line, id in ((2, 1, "a"), (1, 10, "b"), (1, 9, "c")):
        place = {"event__topic": None, "event__partition": None, "event__import_run": run, "event__offset": line}
        DeadLetterFactory.create(event__id=id, event__received_at=received, **place)
    replay(ids=["a", "b", "c"], actor="ada")
    assert positions() == ["c", "b", "a"]


def test_a_run_takes_what_matches_and_failed_before_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_runs, "CHUNK", 2)
    start = timezone.now() - timedelta(hours=1)
    for number in range(7):
        DeadLetterFactory.create(event__id=f"red-{number}", event__type="red", queued_at=start)
    DeadLetterFactory.create(event__id="blue", event__type="blue")
    DeadLetterFactory.create(event__id="gone", event__type="red", discarded_at=timezone.now())
    DeadLetterFactory.create(event__id="later", event__type="red", queued_at=timezone.now() + timedelta(hours=1))
    run = replay_runs.start(Choice(type="red"), actor="ada")
    finish(run)
    assert positions() == [f"red-{number}" for number in range(7)]
    assert counts(run)["replayed"] == 7
    group = DeadLetter.objects.get(pk="blue").group_id
    assert finish(replay_runs.start(Choice(group=group), actor="ada")).done.keys() == {"blue"}
    assert finish(replay_runs.start(Choice(since=timezone.now()), actor="ada")).done == {}


def test_a_letter_that_failed_again_since_the_run_began_is_left_to_the_next() -> None:
    fail_for_good(envelope("e-1", fail=True))
    slow = replay_runs.start(Choice(ids=["e-1"]), actor="ada")
    replay_runs.take_step(slow)  # it is noted
    replay(ids=["e-1"], actor="bob")
    try_again("e-1")
    try_again("e-1")
    assert finish(slow).refused == {"e-1": "failed again since this run began: replay it anew"}


def test_a_letter_that_was_noted_and_failed_again_while_a_long_selection_is_noted_is_noted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It stands behind all others then, where choosing comes to it once more."""
    monkeypatch.setattr(replay_runs, "CHUNK", 2)
    ids = [f"e-{number}" for number in range(3)]
    for id in ids:
        fail_for_good(envelope(id, fail=True))
    slow = replay_runs.start(Choice(ids=ids), actor="ada")
    replay_runs.take_step(slow)  # two are noted
    replay(ids=["e-0"], actor="bob")
    try_again("e-0")
    try_again("e-0")
    assert finish(slow).refused == {"e-0": "failed again since this run began: replay it anew"}
    assert counts(slow)["chosen"] == 3


# --- on record, once, with its reason ---


def test_a_run_is_one_record_with_who_and_why() -> None:
    for number in range(5):
        DeadLetterFactory.create(event__id=f"e-{number}")
    run = replay_runs.start(Choice(), actor="ada", reason=" mended\0 ")
    finish(run)
    record = OperatorAction.objects.get()
    assert (record.event_id, record.action, record.actor) == (f"replay {run}", "replay run", "ada")
    assert record.detail == "all that are open: mended\\0"
    assert set(InboxEvent.objects.values_list("replay", flat=True)) == {run}


# --- the worker takes it further, and tells what came of it ---


def test_the_worker_replays_and_counts_what_succeeded_failed_again_or_waits(settings: Settings) -> None:
    fail_for_good(*(envelope(f"drill-{n}", fail=3) for n in range(3)), envelope("broken", fail=True))
    run = replay_runs.start(Choice(), actor="ada")
    tend_replays()
    assert counts(run)["replayed"] == 4
    assert ReplayRun.objects.get().ended_at is None, "its events wait for their next try"
    settings.RETRY_MAX_RETRIES = 1
    while waiting := list(InboxEvent.objects.filter(status=Status.RETRYING).values_list("id", flat=True)):
        try_again(*waiting)
    tend_replays()
    assert counts(run) == {"chosen": 4, "replayed": 4, "succeeded": 3, "failed": 1, "skipped": 0, "refused": 0}
    assert ReplayRun.objects.get().ended_at is not None
    tend_replays()
    assert counts(run)["succeeded"] == 3, "what is over is not looked at again"


def test_what_waits_is_looked_at_in_bounded_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_runs, "LOOKED_AT", 2)
    for number in range(5):
        DeadLetterFactory.create(event__id=f"e-{number}")
    run = replay_runs.start(Choice(), actor="ada")
    finish(run)
    InboxEvent.objects.filter(pk__in=["e-0", "e-4"]).update(status=Status.PROCESSED)
    looks = [replay_runs.look(run) for _ in range(4)]
    assert looks == [1, 0, 1, 0]
    assert counts(run)["succeeded"] == 2
    assert ReplayRun.objects.get().ended_at is None


def test_a_poison_counts_as_the_event_that_it_became(settings: Settings) -> None:
    consume(envelope("known", color="red"))
    one, same = bury_bytes(envelope("e-1", seq=1)), bury_bytes(envelope("known", color="blue"))
    broken = bury_bytes(b"{ no JSON")
    run = replay_runs.start(Choice(), actor="ada")
    result = finish(run)
    assert result.done[one] == "became 'e-1': held"
    assert list(result.refused) == [broken]
    try_again("e-1")
    tend_replays()
    assert counts(run) == {"chosen": 3, "replayed": 2, "succeeded": 1, "failed": 0, "skipped": 1, "refused": 1}
    assert ReplayItem.objects.get(event_id=same).state == "skipped"
    (reason,) = ReplayRun.objects.get().refusals
    assert reason.startswith("it still cannot be read")


# --- cancel, go on, killed ---


def test_a_cancelled_run_leaves_the_rest_and_goes_on_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_runs, "CHUNK", 2)
    ids = [f"e-{number}" for number in range(6)]
    for number, id in enumerate(ids):
        DeadLetterFactory.create(event__id=id, event__offset=number, event__received_at=timezone.now())
    run = replay_runs.start(Choice(ids=ids), actor="ada")
    while counts(run)["replayed"] < 4:
        replay_runs.take_step(run)
    assert replay_runs.cancel(run, actor="bob").startswith(f"cancelled replay {run}")
    assert replay_runs.take_step(run) is None
    assert sorted(DeadLetter.objects.values_list("pk", flat=True)) == ids[4:]
    with pytest.raises(Refused, match="cancelled before"):
        replay_runs.cancel(run, actor="ada")
    assert replay_runs.go_on(run, actor="ada") == f"replay {run} goes on"
    finish(run)
    assert positions() == ids
    assert [row(id).replay_order for id in ids] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(Refused, match="is done"):
        replay_runs.cancel(run, actor="ada")
    with pytest.raises(Refused, match="not cancelled"):
        replay_runs.go_on(run, actor="ada")
    assert list(OperatorAction.objects.order_by("id").values_list("action", "actor")) == [
        ("replay run", "ada"),
        ("cancel replay", "bob"),
        ("go on with replay", "ada"),
    ]


@pytest.mark.parametrize("steps", range(5))
def test_a_run_whose_process_died_after_any_step_is_finished_by_the_worker(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had begun is rolled back with its connection; what was committed is in its rows."""
    monkeypatch.setattr(replay_runs, "CHUNK", 2)
    ids = [f"e-{number}" for number in range(4)]
    for id in ids:
        DeadLetterFactory.create(event__id=id)
    run = replay_runs.start(Choice(), actor="ada")
    for _ in range(steps):
        replay_runs.take_step(run)
    tend_replays()
    assert counts(run)["replayed"] == 4
    assert InboxEvent.objects.filter(version__gte=3).count() == 0 or not DeadLetter.objects.exists()
    assert set(InboxEvent.objects.values_list("replay", flat=True)) == {run}


# --- before it ---


def test_before_a_run_one_reads_how_many_whose_and_what_it_will_do() -> None:
    LaneFactory.create(user_id="ann", next_seq=3)
    DeadLetterFactory.create(event__id="late", event__user_id="ann", event__seq=2, event__type="red")
    DeadLetterFactory.create(event__id="b", event__user_id="bob", event__type="red")
    DeadLetterFactory.create(poison=True)
    found = preview(Choice())
    assert (found.counted.letters, found.counted.users, found.number) == (3, 2, "3")
    assert found.counted.kinds == [("failed", "red", 2), ("poison", "", 1)]
    assert [each.id for each in found.sample][:2] == ["late", "b"]
    assert any(line.startswith("With a seq that its lane has passed: 1.") for line in found.effects)
    assert any(line.startswith("Unreadable: 1.") for line in found.effects)
    assert preview(Choice(type="none")).effects == ["None is open: there is nothing to replay."]


def test_more_than_is_counted_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("processing.postgres.replay_preview.MOST", "processing.operators.replay_preview.MOST"):
        monkeypatch.setattr(where, 2)
    for _ in range(5):
        DeadLetterFactory.create()
    assert preview(Choice()).number == "more than 2"


# --- discard and its undoing ---


def test_what_was_discarded_is_no_longer_there_for_a_run_and_is_again_once_that_is_undone() -> None:
    DeadLetterFactory.create(event__id="e-1")
    actions.discard(ids=["e-1"], actor="ada", reason="a test")
    assert replay(ids=["e-1"], actor="bob").refused["e-1"].startswith("is no dead letter: it was discarded at ")
    actions.undo_discard(ids=["e-1"], actor="ada")
    assert replay(ids=["e-1"], actor="bob").done == {"e-1": "to be tried again"}


def test_runs_that_are_over_go_with_retention(settings: Settings) -> None:
    InboxEventFactory.create()
    DeadLetterFactory.create(event__id="e-1")
    run = replay_runs.start(Choice(), actor="ada")
    tend_replays()
    retention.retire()
    assert ReplayRun.objects.filter(pk=run).exists()
    ReplayRun.objects.update(ended_at=timezone.now() - timedelta(days=settings.RETENTION_DAYS + 1))
    retention.retire()
    assert not ReplayRun.objects.exists()
    assert not ReplayItem.objects.exists()
