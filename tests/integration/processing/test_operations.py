"""What an operator may do to events, on real rows and a real Redis."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from redis import Redis, RedisError

from processing.background import retention, sweeper
from processing.domain.outcomes import HotStateUpdate
from processing.domain.statuses import Status
from processing.hot_state.write import write_hot_state
from processing.models import DeadLetter, FailureGroup, HotStateOutbox, InboxEvent, Lane, OperatorAction
from processing.operators import actions, replay_runs
from tests.support.dead import bury_bytes, consume, dead_list, fail_for_good, hot, order, row, try_again
from tests.support.factories import DeadLetterFactory, InboxEventFactory, envelope
from tests.support.replays import replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_tries")]

# --- retry now ---


def test_retry_now_makes_a_retry_due_tells_a_worker_and_is_on_record(redis: Redis) -> None:
    event = InboxEventFactory.create(retrying=True, next_attempt_at=timezone.now() + timedelta(hours=1))
    result = actions.retry_now(ids=[event.id], actor="ada")
    assert (result.done, result.refused) == ({event.id: "to be tried now"}, {})
    event.refresh_from_db()
    assert event.next_attempt_at is not None
    assert event.next_attempt_at <= timezone.now()
    assert event.version == 1
    action = OperatorAction.objects.get()
    assert (action.event_id, action.action, action.actor) == (event.id, "retry now", "ada")
    assert redis.llen("eventsite") == 1


def test_retry_now_refuses_what_is_not_retrying_and_says_what_it_is() -> None:
    processed = InboxEventFactory.create(id="done")
    letter = DeadLetterFactory.create(event__id="dead", discarded_at=timezone.now())
    result = actions.retry_now(ids=[processed.id, letter.event_id, "nobody"], actor="ada")
    assert result.done == {}
    assert result.refused["done"] == "is not retrying: it is processed"
    assert result.refused["dead"].startswith("is not retrying: it was discarded at 20")
    assert result.refused["nobody"] == "is not retrying: the inbox does not have it"
    assert not OperatorAction.objects.exists()


# --- discard ---


def test_a_discarded_dead_letter_stays_failed_and_leaves_the_list(redis: Redis) -> None:
    fail_for_good(envelope("e-1", fail=True))
    assert dead_list(redis) == ["e-1"]
    before = row("e-1")
    result = actions.discard(ids=["e-1"], actor="ada", reason=" a test ")
    assert result.done == {"e-1": "discarded"}
    after = row("e-1")
    assert (after.status, after.version) == (Status.FAILED, before.version + 1)
    assert (after.attempts, after.attempt_limit, after.error) == (2, 2, before.error)
    assert (after.final_at, after.next_attempt_at, after.raw) == (before.final_at, None, before.raw)
    assert DeadLetter.objects.get().discarded_at is not None
    assert OperatorAction.objects.values_list("action", "detail").get() == ("discard", "a test")
    assert FailureGroup.objects.get().open == 0
    assert dead_list(redis) == []
    assert not redis.exists("dlq:e-1")
    assert hot(redis, "e-1")["status"] == "failed"
    assert not HotStateOutbox.objects.exists()


def test_discard_is_legal_once(redis: Redis) -> None:
    DeadLetterFactory.create(event__id="dead")
    actions.discard(ids=["dead"], actor="ada")
    result = actions.discard(ids=["dead"], actor="bob")
    assert result.refused["dead"].startswith("is no dead letter: it was discarded at ")
    assert OperatorAction.objects.count() == 1


def test_a_writer_that_comes_late_does_not_bring_a_discarded_letter_back(redis: Redis) -> None:
    fail_for_good(envelope("e-1", fail=True))
    actions.discard(ids=["e-1"], actor="ada")
    write_hot_state(HotStateUpdate(refresh=["e-1"]))
    assert dead_list(redis) == []


# --- and its undoing ---


def test_a_discard_that_is_undone_is_an_open_dead_letter_again(redis: Redis) -> None:
    fail_for_good(envelope("e-1", fail=True))
    actions.discard(ids=["e-1"], actor="ada")
    before = row("e-1")
    assert actions.undo_discard(ids=["e-1"], actor="bob").done == {"e-1": "an open dead letter again"}
    after = row("e-1")
    assert (after.status, after.version, after.final_at) == (Status.FAILED, before.version + 1, before.final_at)
    assert DeadLetter.objects.get().discarded_at is None
    group = FailureGroup.objects.get()
    assert (group.open, group.total, group.resolved_at) == (1, 1, None)
    assert dead_list(redis) == ["e-1"]
    assert redis.hget("dlq:e-1", "attempts") == b"2"
    assert not HotStateOutbox.objects.exists()
    assert actions.undo_discard(ids=["e-1"], actor="ada").refused == {"e-1": "is not discarded: it is failed"}


def test_a_discard_is_not_undone_once_retention_took_what_it_is_made_of(settings: Settings) -> None:
    fail_for_good(envelope("e-1", fail=True))
    poison = bury_bytes(b"{ no JSON")
    DeadLetter.objects.update(published_at=timezone.now())
    actions.discard(ids=["e-1", poison], actor="ada")
    InboxEvent.objects.update(received_at=timezone.now() - timedelta(days=settings.RETENTION_DAYS + 1))
    retention.retire()
    assert set(actions.undo_discard(ids=["e-1", poison], actor="ada").refused.values()) == {
        "its content is no longer kept"
    }
    assert not DeadLetter.objects.filter(discarded_at=None).exists()


# --- replay of what failed ---


@pytest.mark.usefixtures("published")
def test_a_replayed_event_is_retrying_again_with_a_new_set_of_tries_and_leaves_the_dead_letters(redis: Redis) -> None:
    fail_for_good(envelope("e-1", fail=True))
    before = row("e-1")
    assert before.attempts == 2
    result = replay(ids=["e-1"], actor="ada")
    assert result.done == {"e-1": "to be tried again"}
    event = row("e-1")
    assert (event.status, event.attempts, event.attempt_limit) == (Status.RETRYING, 2, 4)
    assert (event.error, event.final_at) == (before.error, None)
    assert event.version == before.version + 1
    assert not DeadLetter.objects.exists()
    assert dead_list(redis) == []
    assert not redis.exists("dlq:e-1", "event:e-1")
    assert OperatorAction.objects.get().event_id == f"replay {event.replay}"
    assert not HotStateOutbox.objects.exists()


@pytest.mark.usefixtures("published")
def test_a_replayed_event_that_succeeds_counts_its_attempts_on(redis: Redis, settings: Settings) -> None:
    fail_for_good(envelope("e-1", fail=True))
    settings.FAULT_INJECTION = False
    replay(ids=["e-1"], actor="ada")
    try_again("e-1")
    assert (row("e-1").status, row("e-1").attempts) == (Status.PROCESSED, 3)
    assert hot(redis, "e-1")["status"] == "processed"
    assert hot(redis, "e-1")["attempts"] == "3"


@pytest.mark.usefixtures("published")
def test_a_replayed_event_that_keeps_failing_is_a_new_dead_letter(redis: Redis) -> None:
    fail_for_good(envelope("e-1", fail=True))
    replay(ids=["e-1"], actor="ada")
    try_again("e-1")
    try_again("e-1")
    assert (row("e-1").status, row("e-1").attempts) == (Status.FAILED, 4)
    assert DeadLetter.objects.get().published_at is None
    assert dead_list(redis) == ["e-1"]
    assert redis.hget("dlq:e-1", "attempts") == b"4"


@pytest.mark.usefixtures("published")
def test_a_seq_that_its_lane_has_passed_joins_the_order_list_in_its_place(redis: Redis, settings: Settings) -> None:
    fail_for_good(envelope("e-1", seq=1), envelope("e-2", seq=2, fail=True), envelope("e-3", seq=3))
    assert order(redis) == [1, 3]
    settings.FAULT_INJECTION = False
    replay(ids=["e-2"], actor="ada")
    assert order(redis) == [1, 3]
    try_again("e-2")
    assert order(redis) == [1, 2, 3]
    assert Lane.objects.get().next_seq == 4


@pytest.mark.usefixtures("published")
def test_a_replayed_event_holds_up_only_what_was_replayed_with_it(redis: Redis, settings: Settings) -> None:
    fail_for_good(envelope("e-1", seq=1, fail=True), envelope("e-2", seq=2, fail=True))
    replay(ids=["e-2", "e-1"], actor="ada")
    consume(envelope("e-3", seq=3))
    assert row("e-3").status == Status.PROCESSED
    try_again("e-2")
    assert (row("e-1").attempts, row("e-2").attempts) == (3, 2), "the second waits for the first"
    settings.FAULT_INJECTION = False
    try_again("e-2")
    assert order(redis) == [1, 2, 3]


@pytest.mark.usefixtures("published")
def test_the_order_holds_over_more_events_than_a_transaction_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_runs, "CHUNK", 2)
    fail_for_good(*(envelope(f"e-{n}", fail=True) for n in range(7)))
    replay(ids=[f"e-{n}" for n in (3, 1, 2, 6, 5, 0, 4)], actor="ada")
    rows = InboxEvent.objects.order_by("replay_order")
    assert [event.id for event in rows] == [f"e-{n}" for n in range(7)]
    assert len({event.replay for event in rows}) == 1


def test_a_letter_without_its_copy_on_the_topic_is_not_replayed_while_kafka_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("processing.kafka.dead_letter_topic.publish", lambda ids: 0)
    DeadLetterFactory.create(event__id="dead", published_at=None)
    result = replay(ids=["dead"], actor="ada")
    assert "its copy is not on events.dlq yet" in result.refused["dead"]
    assert DeadLetter.objects.exists()


def test_what_was_discarded_or_is_no_dead_letter_is_not_replayed() -> None:
    DeadLetterFactory.create(event__id="gone", discarded_at=timezone.now())
    InboxEventFactory.create(id="held", held=True)
    result = replay(ids=["gone", "held", "nobody"], actor="ada")
    assert result.done == {}
    assert sorted(result.refused) == ["gone", "held", "nobody"]
    assert result.refused["held"] == "is no dead letter: it is held"


def test_an_event_whose_payload_is_gone_is_not_replayed() -> None:
    DeadLetterFactory.create(event__id="dead", event__raw=None, event__payload=None)
    assert replay(ids=["dead"], actor="ada").refused == {"dead": "its payload is no longer kept"}


# --- without Redis ---


@pytest.mark.usefixtures("published")
def test_while_redis_is_away_an_action_is_done_and_a_sweep_writes_the_hot_state(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for_good(envelope("e-1", fail=True))

    def away(_: Any) -> None:
        raise RedisError("Redis is away")

    with monkeypatch.context() as patched:
        patched.setattr("processing.engine.after_commit.write_hot_state", away)
        assert replay(ids=["e-1"], actor="ada").done
    assert dead_list(redis) == ["e-1"]
    assert HotStateOutbox.objects.get().event_ids == ["e-1"]
    HotStateOutbox.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    sweeper.rescue_hot_state()
    assert dead_list(redis) == []
    assert not HotStateOutbox.objects.exists()


def test_a_drill_is_cured_by_its_replay_in_order_and_once(redis: Redis) -> None:
    """Three of its tries fail: both of its first set, and one of the replay's."""
    fail_for_good(envelope("drill", seq=1, fail=3))
    consume(envelope("next", seq=2))
    replay(ids=["drill"], actor="ada")
    try_again("drill")
    try_again("drill")
    assert [(row(id).status, row(id).attempts) for id in ("drill", "next")] == [("processed", 4), ("processed", 1)]
    assert order(redis) == [1, 2]
