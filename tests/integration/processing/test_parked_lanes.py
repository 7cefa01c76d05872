"""A kind whose failures park: nothing numbered of that user overtakes the failed event before an operator sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from redis import Redis

from processing.background import alerts, sweeper
from processing.domain.lanes import PassableGaps
from processing.engine import release
from processing.models import DeadLetter, Lane, PassedGap
from processing.operators import actions
from processing.operators.set_lane import foresee, set_lane
from processing.postgres.counts import any_parked, count_waiting_lanes
from processing.postgres.due import overdue_fronts, overdue_retries
from processing.postgres.gaps import any_gaps, origins_at_gaps
from tests.support import flaky, gaps, replays
from tests.support.batches import applied, column, retry_all, statuses, store, value
from tests.support.dead import order
from tests.support.kinds import drain_all, pause, resume

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published", "parking"),
]


@pytest.fixture
def parking(settings: Settings) -> Iterator[None]:
    settings.FAMILY_ON_FAILURE = {"flaky": "park"}
    flaky.runs.clear()
    yield
    flaky.runs.clear()


def events(*seqs: int) -> list[bytes]:
    return [value(f"e-{seq}", seq=seq) for seq in seqs]


def broken(seq: int, fails: int = 2) -> bytes:
    return value(f"e-{seq}", seq=seq, fails=fails)


def lane() -> tuple[int, str]:
    row = Lane.objects.get(user_id="u")
    return row.next_seq, row.waits_for


def park(*behind: int, fails: int = 2) -> None:
    """The lane of `u` stands on seq 2, which failed twice; 1 is done."""
    store(*events(1), broken(2, fails), *events(*behind))
    retry_all()
    assert lane() == (2, "park")


def replay(*ids: str) -> None:
    done = replays.replay(ids=ids, actor="ada")
    assert set(done.done) == set(ids), done.refused
    release.run_due(ids)


def test_nothing_numbered_overtakes_the_failed_event_until_its_replay_succeeds(redis: Redis) -> None:
    park(3)
    store(*events(4), value("free"), value("rival", seq=2))
    assert applied() == [1, None], "what has no seq goes on"
    assert statuses()["rival"] == ("skipped", 0), "the failed event owns its seq"
    assert {id: status for id, (status, _) in statuses().items() if status == "held"} == {"e-3": "held", "e-4": "held"}
    replay("e-2")
    assert applied() == [1, None, 2, 3, 4]
    assert statuses()["e-2"] == ("processed", 3)
    assert lane() == (5, "")
    assert order(redis, "u") == [1, 2, 3, 4]


def test_failing_again_parks_again() -> None:
    park(3, fails=4)
    replay("e-2")
    assert lane() == (2, "retry")
    retry_all()
    assert lane() == (2, "park")
    assert statuses()["e-2"] == ("failed", 4)
    assert applied() == [1]
    replay("e-2")
    assert applied() == [1, 2, 3]


def test_without_retries_the_lane_is_parked_by_the_batch_itself(settings: Settings) -> None:
    settings.RETRY_MAX_RETRIES = 0
    store(*events(1), broken(2, 1), *events(3, 4))
    assert (lane(), applied()) == ((2, "park"), [1])
    assert statuses()["e-3"] == ("held", 0)
    store(value("first", "v", seq=1, fails=1), value("second", "v", seq=1))
    assert statuses()["second"] == ("skipped", 0)
    replay("e-2")
    assert applied() == [1, 2, 3, 4]


def test_discarded_its_lane_goes_on_without_it() -> None:
    park(3, 5)
    done = actions.discard(ids=["e-2"], actor="ada")
    assert done.done == {"e-2": "discarded"}
    assert lane() == (3, "turn")
    release.run_due(["e-3"])
    assert applied() == [1, 3]
    assert lane() == (4, "gap")
    store(value("late", seq=2))
    assert statuses()["late"] == ("skipped", 0)


def test_a_discard_that_is_undone_does_not_bring_the_lane_back_and_a_replay_takes_effect_late(redis: Redis) -> None:
    park(3)
    done = actions.discard(ids=["e-2"], actor="ada")
    assert done.done == {"e-2": "discarded"}
    retry_all()
    release.run_due(["e-3"])
    actions.undo_discard(ids=["e-2"], actor="ada")
    assert lane() == (4, "")
    replay("e-2")
    assert applied() == [1, 3, 2]
    assert order(redis, "u") == [1, 2, 3]


def test_with_nothing_behind_it_a_discard_leaves_a_lane_that_waits_for_nothing() -> None:
    park()
    actions.discard(ids=["e-2"], actor="ada")
    assert lane() == (3, "")
    assert Lane.objects.get(user_id="u").waiting_since is None
    store(*events(3))
    assert applied() == [1, 3]


def test_what_has_no_seq_or_comes_late_parks_nothing(settings: Settings) -> None:
    settings.RETRY_MAX_RETRIES = 0
    store(value("free", fails=1))
    assert not any_parked()
    settings.FAMILY_ON_FAILURE = {}
    store(*events(1), broken(2, 2), *events(3))
    assert applied() == [1, 3]
    settings.FAMILY_ON_FAILURE = {"flaky": "park"}
    replay("e-2")
    assert statuses()["e-2"] == ("failed", 2)
    assert lane() == (4, ""), "its lane had passed it"


def test_what_was_replayed_before_it_outside_of_the_lane_takes_effect_before_it(settings: Settings) -> None:
    settings.FAMILY_ON_FAILURE = {}
    settings.RETRY_MAX_RETRIES = 0
    store(*events(1), broken(2, 2))
    settings.FAMILY_ON_FAILURE = {"flaky": "park"}
    store(broken(3, 1), *events(4))
    assert lane() == (3, "park")
    settings.RETRY_MAX_RETRIES = 1
    replay("e-2", "e-3")  # 2 fails once more, and then succeeds
    assert applied() == [1]
    assert lane() == (3, "retry")
    retry_all()
    sweeper.rescue_retries()
    retry_all()
    assert applied() == [1, 2, 3, 4]


def test_nothing_looks_at_a_parked_lane_again(settings: Settings) -> None:
    settings.SEQUENCE_GAP_TIMEOUT_MS = 0
    park(4, 5)
    column("UPDATE processing_lane SET waiting_since = now() - interval '90 days' RETURNING user_id")
    assert (any_gaps(), origins_at_gaps(0), overdue_fronts(0, 10), overdue_retries(0, 10)) == (False, set(), [], [])
    release.release_all({"u"})
    release.run_due(["e-4", "e-2"])
    assert release.pass_gaps([PassableGaps("u", 2, 4), PassableGaps("u", 1, 4)]) == 0, "decided before it was parked"
    assert (lane(), applied(), PassedGap.objects.count()) == ((2, "park"), [1], 0)
    assert count_waiting_lanes() == {"park": 1}
    replay("e-2")
    assert lane() == (3, "gap")
    assert gaps.pass_gap("u") == 1
    assert applied() == [1, 2, 4, 5]


def test_a_kind_that_drains_moves_no_parked_lane() -> None:
    park(3)
    pause()
    store(*events(4))
    resume()
    drain_all()
    assert (lane(), applied()) == ((2, "park"), [1])
    replay("e-2")
    assert applied() == [1, 2, 3, 4]


def test_set_forward_a_lane_is_parked_no_longer_and_back_it_stays() -> None:
    park(3)
    told = (
        "the lane of 'u' is parked on its failed event of seq 2: replay or discard that first, or set the lane past it"
    )
    assert set_lane("u", 1, replay=False, actor="ada").refused == told
    foreseen = foresee("u", 2, replay=False)
    assert str(foreseen) == (
        "the lane of 'u' goes from 2 to 3; it is parked no longer: its failed event of seq 2 stays a dead letter"
    )
    assert set_lane("u", 2, replay=False, actor="ada") == foreseen
    release.release_all({"u"})
    assert (lane(), applied()) == ((4, ""), [1, 3])
    replay("e-2")
    assert applied() == [1, 3, 2]
    assert DeadLetter.objects.count() == 0


def test_in_a_lane_that_was_set_back_it_parks_too_and_final_ones_behind_it_are_stepped_over() -> None:
    store(*events(1, 3, 4))
    gaps.pass_gap("u")
    store(*events(5))
    set_lane("u", 2, replay=False, actor="ada")
    store(broken(2))
    retry_all()
    assert lane() == (2, "park")
    store(*events(6))
    actions.discard(ids=["e-2"], actor="ada")
    release.run_due(["e-6"])
    assert (lane(), applied()) == ((7, ""), [1, 3, 4, 5, 6])


def test_the_pages_and_the_alert_say_it(operator: Client) -> None:
    park(3, 5)
    assert [key for key in alerts.states() if key == "parked"] == ["parked"]
    listed = operator.get(reverse("admin:processing_lane_changelist"), {"waiting": "park"}).content.decode()
    assert re.search(r"field-waiting_behind[^>]*>\s*2\s*<", listed)
    shown = operator.get(reverse("admin:processing_lane_change", args=["u"])).content.decode()
    assert "it is parked on the failed event" in shown
    assert "seq 2: failed, e-2, the lane is parked on it" in shown
    failed = operator.get(reverse("admin:processing_inboxevent_change", args=["e-2"])).content.decode()
    assert "is parked on it until its replay or its discarding" in failed
    held = operator.get(reverse("admin:processing_inboxevent_change", args=["e-3"])).content.decode()
    assert "which is parked on a failed event" in held
    replay("e-2")
    assert "parked" not in alerts.states()
