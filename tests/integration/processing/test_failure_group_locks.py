"""Groups of failures are locked in one order: else one of two transactions would be a deadlock's victim, made again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction
from django.utils.timezone import now

from processing.domain.failures import TOO_FAR_AHEAD, Cause, Letter
from processing.domain.replays import Choice
from processing.models import DeadLetter, FailureGroup, ReplayRun
from processing.operators import replay_runs
from processing.postgres.dead_letters import (
    add_dead_letters,
    discard_dead_letters,
    lock_discarded,
    reopen_dead_letters,
)
from processing.postgres.transaction import transaction as processing_transaction
from tests.integration.processing.test_operations_races import (
    PATIENCE_S,
    bury_poison,
    in_thread,
    wait_until_someone_waits_for_a_lock,
)
from tests.support.factories import DeadLetterFactory, FailureGroupFactory, InboxEventFactory, LaneFactory, envelope

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


def while_locked(group: FailureGroup, *works: Callable[[], object]) -> None:
    """Let these wait for a group one after the other, and then go on. Raises what one of them does: also a deadlock."""
    with transaction.atomic():
        FailureGroup.objects.select_for_update().get(pk=group.pk)
        pools = []
        for number, work in enumerate(works, 1):
            pools.append(in_thread(work))
            wait_until_someone_waits_for_a_lock(number)
    for pool, working in pools:
        with pool:
            working.result(PATIENCE_S)


def test_letters_that_come_and_letters_that_go_lock_their_groups_in_one_order() -> None:
    groups = [FailureGroupFactory.create(place=place) for place in ("b", "a")]
    gone = [DeadLetterFactory.create(group=group).pk for group in groups]
    new = [Letter(InboxEventFactory.create(failed=True).pk, "shop", Cause("KeyError", group.place)) for group in groups]

    def come() -> None:
        with processing_transaction() as cursor:
            add_dead_letters(cursor, new, DeadLetter.Reason.FAILED, now())

    def go() -> None:
        with processing_transaction() as cursor:
            discard_dead_letters(cursor, gone)

    while_locked(groups[1], come, go)
    assert list(FailureGroup.objects.values_list("open", "total", "resolved_at")) == [(1, 2, None)] * 2


def test_letters_that_are_opened_again_lock_their_groups_in_the_order_of_those_that_go() -> None:
    groups = [FailureGroupFactory.create(place=place) for place in ("b", "a")]
    gone = [DeadLetterFactory.create(group=group).pk for group in groups]
    back = [DeadLetterFactory.create(group=group, discarded_at=now()).pk for group in groups]

    def go() -> None:
        with processing_transaction() as cursor:
            discard_dead_letters(cursor, gone)

    def come_back() -> None:
        with processing_transaction() as cursor:
            reopen_dead_letters(cursor, list(lock_discarded(cursor, back)))

    while_locked(groups[1], go, come_back)
    assert list(FailureGroup.objects.values_list("open", flat=True)) == [1, 1]


def test_a_replay_that_leaves_groups_and_joins_one_locks_them_in_that_order_too() -> None:
    """A failed event leaves its group; a poison, whose event is too far ahead, joins one that comes first."""
    LaneFactory.create(next_seq=5)
    ahead = FailureGroupFactory.create(
        reason="ahead", kind="no family", error_class=TOO_FAR_AHEAD.error_class, place=""
    )
    failed = DeadLetterFactory.create(event__id="e-1", group=FailureGroupFactory.create(kind="no family")).group
    run = replay_runs.start(Choice(ids=["e-1", bury_poison(envelope("far", seq=2_000_000), 1)]), actor="ada")
    for _ in range(2):
        replay_runs.take_step(run)
    new = [InboxEventFactory.create(failed=True).pk for _ in range(2)]

    def come() -> None:
        with processing_transaction() as cursor:
            add_dead_letters(cursor, [Letter(new[0], "no family", TOO_FAR_AHEAD)], DeadLetter.Reason.AHEAD, now())
            same = Letter(new[1], "no family", Cause(failed.error_class, failed.place))
            add_dead_letters(cursor, [same], DeadLetter.Reason.FAILED, now())

    while_locked(ahead, come, lambda: replay_runs.take_step(run))
    assert FailureGroup.objects.get(pk=ahead.pk).total == ahead.total + 2
    assert ReplayRun.objects.get().replayed == 2
