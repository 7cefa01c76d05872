"""What happened to an event, in order: from its row, its failed attempts, its effects and what operators did to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from processing.admin import show
from processing.domain.effects import FOLLOW_UP
from processing.domain.replays import ItemState
from processing.domain.statuses import FINAL, Status
from processing.models import (
    DeadLetter,
    Effect,
    FailedAttempt,
    FailureGroup,
    InboxEvent,
    Kind,
    Lane,
    OperatorAction,
    PassedGap,
    ReplayItem,
    ReplayRun,
    Traceback,
)
from processing.operators import actions, edit

DONE = {
    actions.RETRY_NOW: "retried at once",
    actions.DISCARD: "discarded",
    actions.UNDO_DISCARD: "opened again",
    edit.EDIT: "edited",
    "replay": "replayed",  # before replays had runs
}
SHOWN = 50  # of the newest attempts, and of the newest actions


@dataclass(frozen=True)
class Step:
    at: datetime
    what: SafeString | str
    tone: str = "quiet"


def timeline(event: InboxEvent, letter: DeadLetter | None) -> SafeString:
    own = [*_arrival(event), *_gap(event), *_attempts(event), *_actions(event), *_effects(event)]
    steps = sorted([*own, *_letter(letter), *_outcome(event, letter)], key=lambda step: step.at)
    lines = format_html_join(
        "", '<li class="{}">{} <div>{}</div></li>', ((each.tone, show.when(each.at), each.what) for each in steps)
    )
    now = format_html('<li class="wait"><span>now</span> <div>{}</div></li>', wait) if (wait := _wait(event)) else ""
    return format_html('<ol class="timeline">{}{}</ol>', lines, now)


def _arrival(event: InboxEvent) -> Iterator[Step]:
    yield Step(event.received_at, "received")


def _gap(event: InboxEvent) -> Iterator[Step]:
    if event.seq is None:
        return
    for gap in PassedGap.objects.filter(user_id=event.user_id, last_seq=event.seq - 1).order_by("-id")[:1]:
        yield Step(gap.passed_at, f"its lane passed the gap before it, seq {gap.first_seq} to {gap.last_seq}", "wait")


def _attempts(event: InboxEvent) -> Iterator[Step]:
    attempts = list(FailedAttempt.objects.filter(event_id=event.pk).order_by("-attempt")[:SHOWN])
    tracebacks = _tracebacks(attempts)
    for each in attempts:
        text = tracebacks.get((each.error_class, each.place, _hour(each.at)))
        yield Step(
            each.at,
            format_html(
                "attempt {} failed in {} with <b>{}</b>: {}{}{}",
                each.attempt,
                each.process,
                each.error_class,
                each.message[: show.HOVER_CHARS],
                format_html(", at <code>{}</code>", each.place) if each.place else "",
                show.folded("traceback, kept once an hour for this cause", text) if text else "",
            ),
            "bad",
        )


def _tracebacks(attempts: Iterable[FailedAttempt]) -> dict[tuple[str, str, datetime], str]:
    hours = {_hour(each.at) for each in attempts}
    classes, places = {each.error_class for each in attempts}, {each.place for each in attempts}
    found = Traceback.objects.filter(hour__in=hours, error_class__in=classes, place__in=places) if hours else []
    return {(each.error_class, each.place, each.hour): each.text for each in found}


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _actions(event: InboxEvent) -> Iterator[Step]:
    for each in OperatorAction.objects.filter(event_id=event.pk).order_by("-id")[:SHOWN]:
        done = DONE.get(each.action, each.action)
        yield Step(each.at, f"{done} by {each.actor}" + (f": {each.detail}" if each.detail else ""))
    items = ReplayItem.objects.filter(Q(event_id=event.pk) | Q(became=event.pk), at__isnull=False)
    found = list(items.order_by("-run_id")[:SHOWN])
    runs = ReplayRun.objects.in_bulk([item.run_id for item in found])
    for item in found:
        if item.at is not None and (run := runs.get(item.run_id)) is not None:
            yield Step(item.at, _replayed(item, run))


def _replayed(item: ReplayItem, run: ReplayRun) -> SafeString:
    carried = f"carried by {item.event_id}, " if item.became else ""
    done = f"left as it was ({item.detail})" if item.state == ItemState.REFUSED else "replayed"
    why = f": {run.reason}" if run.reason else ""
    return format_html("{}{} by {} in {}{}", carried, done, run.actor, show.link(ReplayRun, run.pk, str(run)), why)


def _effects(event: InboxEvent) -> Iterator[Step]:
    """What it has outside the database; one that waits stands where it is due."""
    for each in Effect.objects.filter(event_id=event.pk).defer("value").order_by("-id")[:SHOWN]:
        what = "its follow-up" if each.name == FOLLOW_UP else f"its task {each.name}"
        tries = f", attempt {each.attempts}" if each.attempts > 1 else ""
        error = f": {each.error[: show.HOVER_CHARS]}" if each.error else ""
        line = format_html("{}: {}{}{}", show.link(Effect, each.pk, what), each.status, tries, error)
        yield Step(each.ended_at or each.due_at, line, show.TONES.get(each.status, "quiet"))


def _letter(letter: DeadLetter | None) -> Iterator[Step]:
    if letter is None:
        return
    what = format_html(
        "{}, of the group {}",
        show.link(DeadLetter, letter.pk, f"dead letter: {letter.get_reason_display()}"),
        show.link(FailureGroup, letter.group_id, str(letter.group)),
    )
    yield Step(letter.queued_at, what, "bad")


def _outcome(event: InboxEvent, letter: DeadLetter | None) -> Iterator[Step]:
    if event.status not in FINAL or event.final_at is None or letter is not None:
        return
    reason = f": {event.error}" if event.status == Status.SKIPPED and event.error else ""
    tries = f", attempt {event.attempts}" if event.attempts > 1 else ""
    yield Step(event.final_at, f"{event.status}{tries}{reason}", show.TONES.get(event.status, "quiet"))


def _wait(event: InboxEvent) -> SafeString | str:
    """What it waits for now."""
    if event.waits_for is not None:
        return format_html("{} until {} is open", event.status, show.link(Kind, event.waits_for))
    if event.status == Status.RETRYING:
        return f"retrying: the next attempt is due at {show.utc(event.next_attempt_at)}"
    if event.seq is None or event.status not in (Status.HELD, Status.FAILED):
        return ""
    lane = Lane.objects.filter(pk=event.user_id).first()
    parked = lane is not None and lane.waits_for == Lane.WaitsFor.PARK
    link = show.link(Lane, event.user_id, "its lane")
    if event.status == Status.FAILED:
        stands = parked and lane is not None and lane.next_seq == event.seq
        return format_html("failed: {} is parked on it until its replay or its discarding", link) if stands else ""
    why = ", which is parked on a failed event" if parked else ""
    return format_html("held for seq {} of {}{}", lane and lane.next_seq, link, why)
