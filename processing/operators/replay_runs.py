"""Replay runs: dead letters that are replayed together, step by step, each step a bounded transaction.

Any process takes a run further, one at a time: the worker, and the command that started it. What a run has done is in
its rows, so that one whose process was killed goes on, and one that was cancelled can.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from processing import metrics
from processing.domain.away import leave_while_away
from processing.domain.outcomes import BatchResult, HotStateUpdate
from processing.domain.replays import Choice, Phase
from processing.domain.texts import storable
from processing.engine import release
from processing.engine.after_commit import publish
from processing.engine.set_aside import FIRST_ROWS, next_rows
from processing.kafka import dead_letter_topic
from processing.operators import redecode
from processing.operators.chunks import CHUNK, Effects, Refused, while_patient, why_not
from processing.operators.replay import NO_DEAD_LETTER, bounded, replay_in
from processing.postgres import replay_items as rows_of_items
from processing.postgres import replay_runs as rows
from processing.postgres.operator_records import next_number, record
from processing.postgres.replay_items import Item
from processing.postgres.replay_runs import Run
from processing.postgres.transaction import Cursor, outcome_time, transaction, why_postgres_is_away

REPLAY, CANCEL, GO_ON = "replay run", "cancel replay", "go on with replay"  # as OperatorAction.action says it
LOOKED_AT = 2_000  # events that wait, of one look at what became of them
BUSY_S = 0.1
TRIES_S = 0.3  # a transaction of tries, at most: most of a short one is what each of them costs, however few it has
MOST_TRIED = 200  # events whose handler fails again are tried one by one, and twice as many calls


@dataclass(frozen=True)
class Step:
    """What one step did, for what follows its commit. `busy`: nothing, since another process is at the run."""

    effects: Effects = field(default_factory=Effects)
    busy: bool = False


def start(choice: Choice, *, actor: str, reason: str = "") -> int:
    """Begin a run; returns its number."""
    number = next_number()

    def act() -> None:
        with transaction() as cursor:
            start_in(cursor, number, choice, actor, reason)

    while_patient(act)
    return number


def start_in(cursor: Cursor, number: int, choice: Choice, actor: str, reason: str) -> None:
    why = storable(reason.strip())
    if rows.insert_run(cursor, number, choice, actor, why, outcome_time(cursor)):
        record(cursor, REPLAY, actor, {name(number): f"{choice}: {why}" if why else str(choice)})


def name(run: int) -> str:
    """A run, as the record of operator actions names it."""
    return f"replay {run}"


def cancel(run: int, *, actor: str) -> str:
    """What is not replayed yet stays a dead letter. Raises `Refused`."""
    if not while_patient(lambda: _change(run, CANCEL, actor)):
        raise Refused(f"{name(run)} is done, or was cancelled before")
    return f"cancelled {name(run)}: what it had replayed goes on, the rest are dead letters as before"


def go_on(run: int, *, actor: str) -> str:
    """With what it was cancelled before. Raises `Refused`."""
    if not while_patient(lambda: _change(run, GO_ON, actor)):
        raise Refused(f"{name(run)} was not cancelled, or goes on already")
    return f"{name(run)} goes on"


def _change(run: int, action: str, actor: str) -> bool:
    with transaction() as cursor:
        done = rows.cancel(cursor, run, actor) if action == CANCEL else rows.go_on(cursor, run)
        if done:
            record(cursor, action, actor, {name(run): ""})
    return done


def drive(run: int) -> Iterator[Run]:
    """Take a run further until it is done or cancelled; yields it after each step."""
    tries = Tries()
    while True:
        step = while_patient(lambda: take_step(run))
        if step is None:
            return
        if step.busy:
            time.sleep(BUSY_S)
        follow(step)
        leave_while_away(partial(tries.make, step.effects.due), why_postgres_is_away, to="the sweeper")
        found = while_patient(lambda: rows.find_run(run))
        if found is not None:
            yield found


def follow(step: Step) -> None:
    """What follows the step's commit."""
    effects = step.effects
    metrics.count_tally(effects.tally)
    publish(BatchResult(HotStateUpdate(refresh=effects.refresh, outbox_id=effects.outbox_id)))


class Tries:
    """The first of their new tries, few at a time where handlers take long: batches wait for the same lanes."""

    def __init__(self) -> None:
        self._rows = FIRST_ROWS

    def make(self, ids: Sequence[str]) -> None:
        while ids:
            started = time.monotonic()
            release.run_due(ids[: self._rows])
            ids = ids[self._rows :]
            self._rows = min(MOST_TRIED, next_rows(self._rows, time.monotonic() - started, TRIES_S))


def take_step(id: int) -> Step | None:
    """Take a run one step further; None if it has nothing to do."""
    run = rows.find_run(id)
    if run is None or not run.goes_on:
        return None
    if run.phase is Phase.CHOOSING:
        return _choose(run)
    if run.phase is Phase.ORDERING:
        return _put_in_order(run)
    return _replay(run)


def _is_as_before(run: Run, claimed: Run | None) -> bool:
    return claimed is not None and claimed.goes_on and (claimed.phase, claimed.chosen) == (run.phase, run.chosen)


def _choose(run: Run) -> Step:
    """Note the next dead letters that it takes."""
    choice = rows.choice_of(run.id)
    found = rows_of_items.next_letters(choice, run, CHUNK)
    items = [item for chunk in bounded(found) for item in _decoded(chunk)]
    over = len(found) < CHUNK
    with transaction() as cursor:
        if not _is_as_before(run, rows.claim(cursor, run.id)):
            return Step(busy=True)
        if choice.ids is not None:  # one that was noted may have failed again since, and stand behind all others
            known = rows_of_items.known_items(cursor, run.id, [item.id for item in items])
            items = [item for item in items if item.id not in known]
        rows_of_items.insert_items(cursor, run.id, items)
        if over and choice.ids is not None:
            missing = _missing(cursor, run, choice.ids)
            rows_of_items.insert_items(cursor, run.id, missing)
            items += missing
        rows_of_items.note_chosen(
            cursor, run.id, items, found[-1] if found else None, Phase.ORDERING if over else Phase.CHOOSING
        )
    return Step()


def _decoded(items: Sequence[Item]) -> list[Item]:
    """The same, with the user and seq that poisons carry; those that still cannot be read are refused."""
    readings = redecode.read([item.id for item in items if item.poison])
    decoded = []
    for item in items:
        event = readings.events.get(item.id)
        refused = readings.refused.get(item.id, "")
        user_id, seq = (item.user_id, item.seq) if event is None else (event.user_id, event.seq)
        decoded.append(replace(item, user_id=user_id, seq=seq, refused=refused))
    return decoded


def _missing(cursor: Cursor, run: Run, ids: Sequence[str]) -> list[Item]:
    """Those that were named and are no dead letters."""
    names = sorted(set(ids))
    left = set(names).difference(rows_of_items.known_items(cursor, run.id, names))
    reasons = why_not(cursor, left, wanted=NO_DEAD_LETTER)
    place = (run.created_at, "", 0, 0)
    return [Item(id, run.created_at, "", None, 0, False, place, refused=reason) for id, reason in reasons.items()]


def _put_in_order(run: Run) -> Step:
    with transaction() as cursor:
        if not _is_as_before(run, rows.claim(cursor, run.id)):
            return Step(busy=True)
        rows_of_items.put_in_order(cursor, run.id)
    return Step()


def _replay(run: Run) -> Step:
    """The next events. A replay deletes the dead letter, so one that has no copy on its topic yet gets it first, or is
    refused."""
    items = next(bounded(rows_of_items.next_items(run.id, CHUNK)), ())
    ids = [item.id for item in items]
    dead_letter_topic.publish(ids)
    readings = redecode.read([item.id for item in items if item.poison])
    with transaction() as cursor:
        claimed = rows.claim(cursor, run.id)
        if not _is_as_before(run, claimed) or not rows_of_items.still_chosen(cursor, run.id, ids):
            return Step(busy=True)
        if not items:
            rows.note_done(cursor, run.id)
            rows.end_if_over(cursor, run.id)
            return Step()
        effects, outcomes = replay_in(cursor, items, readings, run.id, run.created_at)
        rows_of_items.note_outcomes(cursor, run.id, outcomes)
    return Step(effects)


def look(id: int) -> int:
    """Note what became of its events that wait, of a bounded number; returns of how many."""
    with transaction() as cursor:
        run = rows.claim(cursor, id)
        if run is None:
            return 0
        noted = rows_of_items.note_finals(cursor, run, LOOKED_AT) if run.waiting else 0
        rows.end_if_over(cursor, id)
    return noted
