"""Operators who meddle at once, or the same commit once more: an event has one outcome, and all are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from psycopg import errors
from pytest_django import Settings

from processing.background.kinds import tend_kinds
from processing.domain.failing_kinds import FailingKinds, Limits
from processing.domain.replays import Choice
from processing.engine import after_commit
from processing.models import DeadLetter, Edit, InboxEvent, OperatorAction, ReplayRun
from processing.operators import actions, edit, kinds, replay_runs
from processing.operators.chunks import Refused, Result
from processing.postgres.transaction import Cursor, transaction
from tests.integration.processing.test_operations_races import at_once, bury
from tests.support import flaky
from tests.support.batches import retry_all, statuses, store, value
from tests.support.replays import finish, replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

NEITHER = "refused: type 't' of family flaky is neither paused nor stopped"
IDS = [f"e-{n:02}" for n in range(20)]


def or_refused(act: Callable[[], object]) -> str:
    try:
        return str(act())
    except Refused as refused:
        return f"refused: {refused}"


def corrected(id: str, actor: str, version: int) -> Callable[[], str]:
    text = f'{{"by": "{actor}"}}'
    return lambda: or_refused(lambda: edit.edit_and_replay(id, text, version=version, actor=actor, reason="typo"))


@pytest.mark.parametrize("round", range(5))
def test_of_two_edits_one_counts_and_the_other_is_refused(round: int) -> None:
    bury(["e-1"])
    version = edit.find("e-1").version
    told = at_once(corrected("e-1", "ada", version), corrected("e-1", "bob", version))
    assert sum("refused: 'e-1' was changed meanwhile" in each for each in told) == 1
    kept = Edit.objects.get()
    assert InboxEvent.objects.get().payload == f'{{"by":"{kept.actor}"}}'
    assert finish(ReplayRun.objects.get().pk).done == {"e-1": "to be tried again"}


@pytest.mark.parametrize("round", range(5))
def test_an_edit_against_a_replay_has_one_outcome(round: int) -> None:
    """Whoever has the row first: it is replayed as it was, or as it was corrected, and once."""
    bury(["e-1"])
    version = edit.find("e-1").version
    edited, replayed = at_once(
        corrected("e-1", "ada", version), lambda: "replayed" if replay(ids=["e-1"], actor="bob").done else "left"
    )
    event = InboxEvent.objects.get()
    if edited.startswith("refused"):
        assert (replayed, event.payload, Edit.objects.count()) == ("replayed", "{}", 0)
    else:
        own = finish(int(edited))
        assert bool(own.done) != (replayed == "replayed"), "one of the two runs has replayed it, the other says why not"
        assert event.payload == '{"by":"ada"}'
    assert not DeadLetter.objects.exists()


@pytest.mark.parametrize("round", range(5))
def test_an_edit_against_a_discard_has_one_outcome(round: int) -> None:
    bury(["e-1"])
    version = edit.find("e-1").version
    edited, discarded = at_once(
        corrected("e-1", "ada", version),
        lambda: ",".join(actions.discard(ids=["e-1"], actor="bob", reason="a test").done.values()),
    )
    assert discarded == "discarded"
    assert DeadLetter.objects.get().discarded_at is not None
    if not edited.startswith("refused"):
        assert finish(int(edited)).refused["e-1"].startswith("is no dead letter: it was discarded at ")


def test_a_discard_and_its_undoing_at_once_leave_its_group_and_the_letter_of_one_mind() -> None:
    bury(IDS)
    actions.discard(ids=IDS[:10], actor="ada")
    discarded, undone = at_once(
        lambda: actions.discard(ids=IDS, actor="ada"), lambda: actions.undo_discard(ids=IDS[::-1], actor="bob")
    )
    for id in IDS:
        letter = DeadLetter.objects.select_related("group").get(pk=id)
        assert letter.group.open == (letter.discarded_at is None)
    assert set(discarded.done) | set(discarded.refused) == set(IDS)
    assert set(undone.done) | set(undone.refused) == set(IDS)


def test_two_processes_at_one_run_replay_each_event_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_runs, "CHUNK", 3)
    bury(IDS)
    run = replay_runs.start(Choice(ids=IDS), actor="ada")
    at_once(lambda: finish(run), lambda: finish(run), lambda: finish(run))
    assert ReplayRun.objects.values_list("chosen", "replayed", "refused").get() == (20, 20, 0)
    assert set(InboxEvent.objects.values_list("version", flat=True)) == {2}
    orders = InboxEvent.objects.order_by("replay_order").values_list("replay_order", flat=True)
    assert list(orders) == list(range(1, 21))


def test_a_cancel_in_the_middle_of_a_step_waits_for_it_and_nothing_is_half_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay_runs, "CHUNK", 3)
    bury(IDS)
    run = replay_runs.start(Choice(ids=IDS), actor="ada")

    def cancel() -> Result:
        or_refused(lambda: replay_runs.cancel(run, actor="bob"))  # refused where all was replayed before
        return Result()

    at_once(lambda: finish(run), cancel)
    replayed = ReplayRun.objects.get().replayed
    assert replayed % 3 == 0 or replayed == len(IDS)
    assert DeadLetter.objects.count() == len(IDS) - replayed
    assert InboxEvent.objects.filter(status="retrying").count() == replayed
    assert ReplayRun.objects.get().cancelled_by == "bob" or replayed == len(IDS)


def test_a_resume_while_failures_go_on_is_done_and_stopped_again_and_each_event_counts_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, hints_off: None
) -> None:
    """Both have their say: the operator's resume, and the failures that stop the kind once more."""
    flaky.runs.clear()
    settings.RETRY_BACKOFF_MS = 0
    monkeypatch.setattr(after_commit, "_window", FailingKinds(Limits(in_a_row=3, percent=0, size=10)))
    after_commit.after_commit(store(*(value(f"e{n}", f"u{n}", seq=1, fails=2) for n in range(3))))
    later = [value(f"e{n}", f"u{n}", seq=1, fails=2) for n in range(3, 9)]
    told, _ = at_once(
        lambda: or_refused(lambda: kinds.resume("flaky/t", actor="ada")),
        lambda: str(after_commit.after_commit(store(*later))),
    )
    assert told == "resumed type 't' of family flaky: what waits for it runs now, in order"
    assert or_refused(lambda: kinds.resume("flaky/t", actor="bob")) in (told, NEITHER)
    for _ in range(20):
        tend_kinds()
        retry_all()
    assert {status for status, _ in statuses().values()} == {"processed"}
    assert len(statuses()) == 9
    assert max(flaky.runs.values()) == 3, "two that failed, and the one that counts"


def unanswered_once() -> Callable[[], AbstractContextManager[Cursor]]:
    """Transactions, of which the first is committed and cut off before its answer."""
    first = ["it"]

    @contextmanager
    def begin() -> Iterator[Cursor]:
        with transaction() as cursor:
            yield cursor
        if first:
            first.pop()
            raise errors.AdminShutdown("terminating connection due to administrator command")

    return begin


def test_a_start_whose_commit_was_not_answered_is_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    bury(["e-1"])
    monkeypatch.setattr(replay_runs, "transaction", unanswered_once())
    run = replay_runs.start(Choice(), actor="ada")
    assert finish(run).done == {"e-1": "to be tried again"}
    assert OperatorAction.objects.count() == ReplayRun.objects.count() == 1


def test_an_edit_whose_commit_was_not_answered_is_one_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    bury(["e-1"])
    monkeypatch.setattr(edit, "transaction", unanswered_once())
    run = edit.edit_and_replay("e-1", "{}", version=edit.find("e-1").version, actor="ada", reason="a typo")
    assert finish(run).done == {"e-1": "to be tried again"}
    assert Edit.objects.count() == ReplayRun.objects.count() == 1
