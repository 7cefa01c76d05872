"""Setting a lane: forward, back, with and without replay, beside those who move it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings
from redis import Redis

from processing.domain.statuses import Status
from processing.models import InboxEvent, Lane, OperatorAction
from processing.operators import set_lane as setting_lanes
from processing.operators.set_lane import set_lane
from processing.postgres.lanes import lock_lanes
from processing.postgres.transaction import transaction
from tests.support.astray import CLOCK, front, led_astray, numbered, pass_gap, put, states, work
from tests.support.dead import consume, hot, order, row, try_again
from tests.support.factories import envelope

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_tries", "hints_off")]
# --- back ---


def test_set_back_with_replay_the_skipped_ones_take_effect_in_their_places(redis: Redis, settings: Settings) -> None:
    led_astray(settings)
    done = put(4, replay=True)
    assert str(done) == (
        f"the lane of 'u-1' goes from {CLOCK + 1} to 4; skipped events from there, which wait in the lane again: 2"
    )
    assert states()[4] == states()[5] == "held"
    assert not redis.exists("event:e-4", "event:e-5")
    work()
    assert states()[4] == states()[5] == "processed"
    assert (row("e-4").attempts, row("e-4").error) == (1, None)
    assert hot(redis, "e-4")["status"] == "processed"
    assert order(redis) == [1, 2, 3, 4, 5, CLOCK]
    assert front() == 6
    consume(*numbered(7, 6))
    assert order(redis) == [1, 2, 3, 4, 5, 6, 7, CLOCK]


def test_set_back_without_replay_others_may_have_their_seqs(redis: Redis, settings: Settings) -> None:
    led_astray(settings)
    done = put(4)
    assert (done.free, done.replay, front()) == (2, 0, 4)
    assert (row("e-4").status, row("e-4").seq) == (Status.SKIPPED, None)
    assert "seq" not in hot(redis, "e-4")
    consume(*numbered(4, 5, name="again"))
    assert states("again") == {4: "processed", 5: "processed"}
    assert order(redis) == [1, 2, 3, 4, 5, CLOCK]
    assert states()[4] == "skipped"


def test_final_events_are_stepped_over_and_still_own_their_seqs(redis: Redis, settings: Settings) -> None:
    consume(*numbered(1, 2, 3), envelope("e-4", seq=4, fail=True))
    try_again("e-4")
    consume(*numbered(7, 8))
    pass_gap()
    assert front() == 9
    assert put(2).lands == 5, "2, 3 and the failed 4 have their seqs"
    consume(*numbered(2, 4, 5, 7, name="new"))
    assert states("new") == {2: "skipped", 4: "skipped", 5: "processed", 7: "skipped"}
    assert front() == 6
    consume(*numbered(6, 9, name="new"))
    assert states("new")[6] == states("new")[9] == "processed"
    assert order(redis) == [1, 2, 3, 5, 6, 7, 8, 9]
    lane = Lane.objects.get()
    assert (lane.next_seq, lane.set_back_from, lane.waiting_since) == (10, None, None)
    consume(*numbered(10, name="new"))
    assert order(redis)[-1] == 10


def test_the_second_for_a_seq_is_not_replayed(redis: Redis, settings: Settings) -> None:
    led_astray(settings)
    consume(envelope("rival-4", seq=4), envelope("rival-3", seq=3))
    put(3, replay=True)
    work()
    assert states("rival") == {3: "skipped", 4: "skipped"}
    assert order(redis) == [1, 2, 3, 4, 5, CLOCK]


def test_a_lane_brought_back_is_led_astray_by_no_second_clock(redis: Redis, settings: Settings) -> None:
    led_astray(settings)
    put(4)
    consume(*numbered(CLOCK + 5))
    assert row(f"e-{CLOCK + 5}").status == Status.FAILED


def test_an_event_whose_payload_is_gone_is_not_replayed(redis: Redis, settings: Settings) -> None:
    led_astray(settings)
    InboxEvent.objects.filter(id="e-4").update(payload=None)
    done = put(4, replay=True)
    assert (done.free, done.replay) == (1, 1)
    assert (row("e-4").seq, row("e-5").status) == (None, Status.HELD)


# --- forward ---


def test_set_forward_held_ones_below_end_as_skipped(redis: Redis) -> None:
    consume(*numbered(1, 3, 4, 6))
    done = put(6)
    assert str(done) == "the lane of 'u-1' goes from 2 to 6; held events below, which end as skipped: 2"
    assert states() == {1: "processed", 3: "skipped", 4: "skipped", 6: "held"}
    assert hot(redis, "e-3")["status"] == "skipped"
    assert (row("e-3").attempts, row("e-3").seq) == (0, 3)
    work()
    assert order(redis) == [1, 6]
    assert front() == 7


def test_set_forward_beyond_all_nothing_waits(redis: Redis) -> None:
    consume(*numbered(1, 3))
    put(100)
    assert (front(), Lane.objects.get().waiting_since) == (100, None)
    consume(*numbered(100))
    assert order(redis) == [1, 100]


def test_forth_and_back_again(redis: Redis) -> None:
    consume(*numbered(1, 3, 4))
    put(5)
    put(3, replay=True)
    work()
    assert order(redis) == [1, 3, 4]
    assert (front(), Lane.objects.get().set_back_from) == (5, None)


# --- twice, refused, on record ---


@pytest.mark.parametrize("replay", [False, True])
def test_the_same_again_changes_nothing_and_is_not_on_record(redis: Redis, settings: Settings, replay: bool) -> None:
    led_astray(settings)
    put(4, replay=replay)
    rows, actions = list(InboxEvent.objects.values().order_by("id")), OperatorAction.objects.count()
    assert str(put(4, replay=replay)) == "the lane of 'u-1' stands at 4: nothing changes"
    assert (list(InboxEvent.objects.values().order_by("id")), OperatorAction.objects.count()) == (rows, actions)


def test_it_is_refused_while_one_of_the_lane_is_being_tried(redis: Redis) -> None:
    consume(envelope("e-1", seq=1, fail=True), *numbered(2))
    done = put(2)
    assert done.refused == "'e-1' of this lane is being tried: wait until it is final"
    assert (front(), states(), OperatorAction.objects.count()) == (1, {1: "retrying", 2: "held"}, 0)


def test_it_is_refused_while_a_worker_has_the_lane(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting_lanes, "LOCK_WAIT_S", 0.2)
    consume(*numbered(1, 3))
    with while_somebody_has_the_lane():
        done = set_lane("u-1", 3, replay=False, actor="ada")
    assert done.refused == "one of 'u-1' is being tried now: try again"
    assert front() == 2


class while_somebody_has_the_lane:  # noqa: N801 - reads as what it is
    def __enter__(self) -> None:
        self._has_it, self._enough = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()
        assert self._has_it.wait(30)

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _hold(self) -> None:
        try:
            with transaction() as cursor:
                lock_lanes(cursor, ["u-1"])
                self._has_it.set()
                assert self._enough.wait(30)
        finally:
            connection.close()


@pytest.mark.parametrize("seq", [0, -1, 2**53])
def test_a_seq_that_cannot_be_is_refused(redis: Redis, seq: int) -> None:
    consume(*numbered(1))
    assert put(seq).refused == "a lane's next seq is an integer from 1 to 9007199254740991"


def test_who_has_no_lane_is_refused(redis: Redis) -> None:
    refused = set_lane("nobody", 4, replay=False, actor="ada").refused
    assert refused == "'nobody' has no lane: no numbered event of this user has come"


def test_it_is_on_record_for_the_lane_and_each_event(redis: Redis) -> None:
    consume(*numbered(1, 3, 4))
    put(5)
    record = {(a.user_id, a.event_id): (a.action, a.actor, a.detail) for a in OperatorAction.objects.all()}
    assert record[("", "e-3")] == ("set lane", "ada", "skipped")
    assert record[("u-1", "")][2].startswith("to 5: the lane of 'u-1' goes from 2 to 5; held events below")
    assert len(record) == 3


# --- a race ---


def test_a_consumer_and_an_operator_at_once_leave_one_order(redis: Redis, settings: Settings) -> None:
    led_astray(settings)

    def consume_all() -> None:
        for seq in range(6, 40):
            consume(*numbered(seq))

    at_once(consume_all, lambda: set_lane("u-1", 4, replay=True, actor="ada"))
    set_lane("u-1", 4, replay=True, actor="ada")  # those that came before it were skipped with it
    work()
    assert order(redis) == [*range(1, 40), CLOCK]
    assert set(states().values()) == {"processed"}


def at_once(*works: Callable[[], Any]) -> None:
    errors: list[BaseException] = []

    def guarded(each: Callable[[], Any]) -> None:
        try:
            each()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=guarded, args=(each,)) for each in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
