"""Pause and resume: what waits, in which order it runs, and that everything else flows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.background import sweeper
from processing.background.kinds import tend_kinds
from processing.domain.kinds import KindState
from processing.domain.messages import Arrival, Message, read_message
from processing.engine import set_aside
from processing.engine.process_batch import process_batch
from processing.models import OperatorAction
from processing.operators import actions
from processing.operators import kinds as operators
from processing.postgres import kinds
from processing.postgres.counts import count_gaps
from processing.postgres.gaps import find_passable_without_partition
from tests.support import flaky, gaps
from tests.support.batches import applied, batch_of, column, retry_all, statuses, store, value
from tests.support.kinds import TYPE, drain_all, pause, resume, states, took_effect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off", "fresh")]


@pytest.fixture
def fresh(redis: Redis, settings: Settings) -> None:
    flaky.runs.clear()
    settings.RETRY_BACKOFF_MS = 0


def before_gaps() -> set[str]:
    return {each.user_id for each in find_passable_without_partition([("events", 0)], 0)}


def lane(user: str = "u") -> str:
    (waits_for,) = column("SELECT waits_for FROM processing_lane WHERE user_id = %s", user)
    return str(waits_for)


def test_events_of_a_paused_type_wait_and_run_in_order_once_others_in_between() -> None:
    pause()
    for start in range(0, 3000, 300):
        store(*(value(f"{n:05}", f"u{n % 50}", type="t" if n % 3 else "other") for n in range(start, start + 300)))
    waiting = [f"{n:05}" for n in range(3000) if n % 3]
    assert took_effect() == [f"{n:05}" for n in range(3000) if not n % 3]
    resume()
    step = set_aside.drain(TYPE, 100)
    assert step is not None
    store(value("in between", type="other"), value("behind", "u1"))
    drain_all()
    effect = [id for id in took_effect() if id in waiting or not id.isdigit()]
    assert effect == [*waiting[:100], "in between", *waiting[100:], "behind"]
    assert set(statuses().values()) == {("processed", 1)}


def test_a_whole_family_a_topic_and_a_type_without_family_can_be_paused() -> None:
    pause("flaky")
    pause("/seen")
    store(value("a"), value("b", type="x"), value("c", type="seen", family=None), value("d", family=None))
    assert [id for id, (status, _) in sorted(statuses().items()) if status == "held"] == ["a", "b", "c"]
    pause("topic:events")
    store(value("e", family=None))
    assert statuses()["e"] == ("held", 0)
    resume("topic:events")
    drain_all_but("flaky", "/seen")
    assert statuses()["e"] == ("processed", 1)
    resume("flaky")
    resume("/seen")
    drain_all()
    assert set(statuses().values()) == {("processed", 1)}


def drain_all_but(*names: str) -> None:
    while set(states()) != set(names):
        tend_kinds()


def test_an_event_that_two_kinds_hold_waits_for_both_and_keeps_its_place() -> None:
    pause()
    store(value("1"), value("2"))
    pause("flaky")
    store(value("3"), value("4", type="x"))
    resume("flaky")
    drain_all_but(TYPE)
    assert took_effect() == ["4"]
    store(value("5"))
    resume()
    drain_all()
    assert took_effect() == ["4", "1", "2", "3", "5"]


def test_a_lane_that_mixes_kinds_waits_behind_the_one_that_is_paused() -> None:
    pause()
    store(value("a", type="x", seq=1), value("b", seq=2), value("c", type="x", seq=3), value("free", type="x"))
    assert statuses() == {
        "a": ("processed", 1),
        "b": ("held", 0),
        "c": ("held", 0),
        "free": ("processed", 1),
    }
    assert lane() == "kind"
    store(value("d", type="x", seq=4), value("other", "v", type="x", seq=1))
    assert applied("v") == [1]
    assert sweeper.rescue_lanes() == 0
    resume()
    drain_all()
    assert [seq for seq in applied() if seq] == [1, 2, 3, 4]
    assert lane() == ""


def test_an_event_that_was_held_before_its_kind_was_paused_waits_when_its_turn_comes() -> None:
    store(value("b", seq=2), value("c", type="x", seq=3))
    assert lane() == "gap"
    pause()
    store(value("a", type="x", seq=1))
    assert applied() == [1]
    assert lane() == "kind"
    assert column("SELECT id FROM processing_inboxevent WHERE waits_for = %s", TYPE) == ["b"]
    resume()
    drain_all()
    assert applied() == [1, 2, 3]


def test_a_gap_before_a_paused_event_is_a_gap_and_then_none(settings: Settings) -> None:
    pause()
    store(value("b", seq=2), value("c", "v", seq=2, type="x"))
    assert (lane(), lane("v")) == ("gap", "gap")
    assert before_gaps() == {"u", "v"}
    assert gaps.pass_gap("u") + gaps.pass_gap("v") == 2
    assert lane() == "kind"
    assert statuses() == {"b": ("held", 0), "c": ("processed", 1)}
    assert before_gaps() == set()
    assert count_gaps()[0] == 0


def test_the_missing_seq_of_a_paused_kind_closes_the_gap_and_waits() -> None:
    pause()
    store(value("b", type="x", seq=2))
    assert lane() == "gap"
    store(value("a", seq=1))
    assert lane() == "kind"
    assert before_gaps() == set()
    resume()
    drain_all()
    assert applied() == [1, 2]


def test_retries_wait_and_do_not_stand_in_the_way_of_others(settings: Settings) -> None:
    store(*(value(f"p{n}", f"u{n}", fails=1) for n in range(5)), value("n1", "v", fails=1, seq=1))
    store(value("other", type="x", fails=1))
    pause()
    retry_all()
    assert statuses()["other"] == ("processed", 2)
    assert [statuses()[f"p{n}"] for n in range(5)] == [("retrying", 1)] * 5
    assert lane("v") == "kind"
    assert retry_all() == 0
    assert column("SELECT count(*) FROM processing_inboxevent WHERE waits_for = %s", TYPE) == [6]
    flaky.runs.update({f"p{n}": 1 for n in range(5)})
    resume()
    drain_all()
    assert set(statuses().values()) == {("processed", 2)}


def test_what_waits_for_its_kind_is_not_retried_now() -> None:
    store(value("a", fails=2))
    pause()
    retry_all()
    wanted = {"a": "waits for its kind, which is set aside: resume that"}
    assert actions.retry_now(ids=["a"], actor="ada").refused == wanted


def test_a_second_event_with_the_seq_of_a_waiting_one_is_skipped() -> None:
    pause()
    store(value("a", seq=1), value("b", seq=1), value("c", seq=2))
    store(value("d", seq=2))
    assert {id: status for id, (status, _) in statuses().items()} == {
        "a": "held",
        "b": "skipped",
        "c": "held",
        "d": "skipped",
    }
    resume()
    drain_all()
    assert applied() == [1, 2]


def test_the_same_batch_again_changes_nothing() -> None:
    pause()
    batch = batch_of(value("a"), value("b", seq=1), value("c", type="x"))
    for duplicates in (0, 3):
        assert process_batch(batch.arrivals, []).count("duplicate") == duplicates
    resume()
    drain_all()
    assert process_batch(batch.arrivals, []).count("duplicate") == 3
    assert sorted(took_effect()) == ["a", "b", "c"]


def test_paused_again_while_it_drains_the_rest_waits() -> None:
    pause()
    store(*(value(f"{n}", f"u{n}") for n in range(8)))
    resume()
    set_aside.drain(TYPE, 3)
    pause()
    tend_kinds()
    assert took_effect() == ["0", "1", "2"]
    store(value("8"))
    resume()
    drain_all()
    assert took_effect() == [str(n) for n in range(9)]


def test_what_operators_do_is_on_record_and_what_makes_no_sense_is_refused() -> None:
    assert operators.pause(TYPE, actor="ada", reason="a bad deploy") == "paused type 't' of family flaky"
    (row,) = kinds.find_kinds()
    assert (row.state, row.actor, row.reason) == (KindState.PAUSED, "ada", "a bad deploy")
    with pytest.raises(operators.Refused, match="paused already"):
        pause()
    resume()
    with pytest.raises(operators.Refused, match="neither paused nor stopped"):
        resume()
    record = OperatorAction.objects.order_by("id").values_list("event_id", "action", "actor", "detail")
    assert list(record) == [(TYPE, "pause", "ada", "a bad deploy"), (TYPE, "resume", "ada", "")]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"family": "game"}, "game"),
        ({"family": "game", "type": "move"}, "game/move"),
        ({"type": "add_revenue"}, "revenue/add_revenue"),
        ({"family": "none", "type": "seen"}, "/seen"),
        ({"topic": "events"}, "topic:events"),
        ({"topic": "product-events"}, "topic:product-events"),
        ({}, None),
        ({"family": "game", "topic": "events"}, None),
        ({"family": "nosuch"}, None),
        ({"family": "none"}, None),
        ({"type": "seen"}, None),
        ({"family": "revenue", "type": "move"}, None),
        ({"topic": "nosuch"}, None),
    ],
)
def test_an_operator_names_a_kind(arguments: dict[str, str], kind: str | None) -> None:
    if kind is not None:
        assert operators.name_kind(**arguments) == kind
        return
    with pytest.raises(operators.Refused):
        operators.name_kind(**arguments)


def test_a_message_of_a_paused_topic_waits_and_those_of_others_do_not() -> None:
    pause("topic:events")
    arrivals = [
        read_message(Message(topic, 0, 1, b"k", value(topic, type="x"))) for topic in ("events", "other-events")
    ]
    process_batch([each for each in arrivals if isinstance(each, Arrival)], [])
    assert {id: status for id, (status, _) in statuses().items()} == {"events": "held", "other-events": "processed"}


@pytest.fixture(autouse=True)
def _no_kind_is_left() -> Iterator[None]:
    yield
    column("DELETE FROM processing_kind RETURNING name")
