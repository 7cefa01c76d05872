"""What an operator may do to events, on real rows and a real Redis."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from redis import Redis, RedisError

from processing import hot_state, operations, replay, settle, sweeps, waking
from processing.consumer.batch import poison_id, read_message
from processing.models import DeadLetter, HotStateOutbox, InboxEvent, Lane, OperatorAction
from processing.settle import Arrival, Settled
from processing.statuses import Status
from processing.store import Message, Poison
from tests.factories import DeadLetterFactory, InboxEventFactory, LaneFactory, envelope

pytestmark = pytest.mark.django_db(transaction=True)

UNREADABLE = b'{"id": "e-1", '


@pytest.fixture(autouse=True)
def _tries(settings: Settings, redis: Redis) -> None:
    settings.FAULT_INJECTION = True
    settings.RETRY_MAX_RETRIES = 1
    settings.RETRY_BACKOFF_MS = 0


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every dead letter has its copy on the topic at once."""
    monkeypatch.setattr(
        "processing.dead_letters.publish",
        lambda ids: DeadLetter.objects.filter(published_at=None).update(published_at=timezone.now()),
    )


def consume(*values: bytes) -> Settled:
    """The values as they come from a partition, through the inbox to Redis."""
    outcomes = [read_message(Message("events", 0, offset, b"key", value)) for offset, value in enumerate(values)]
    arrivals = [outcome for outcome in outcomes if isinstance(outcome, Arrival)]
    poisons = [outcome for outcome in outcomes if isinstance(outcome, Poison)]
    settled = settle.settle_batch(arrivals, poisons)
    waking.finish(settled)
    waking.take_all_turns(settled.ready)
    return settled


def try_again(*ids: str) -> None:
    InboxEvent.objects.filter(status=Status.RETRYING).update(next_attempt_at=timezone.now())
    waking.wake(ids)


def fail_for_good(*values: bytes) -> None:
    """Consume events that fail, and use up their tries (two)."""
    consume(*values)
    while ids := list(InboxEvent.objects.filter(status=Status.RETRYING).values_list("pk", flat=True)):
        try_again(*ids)


def bury_bytes(value: bytes) -> str:
    """A dead letter with these bytes, which could not be read when they came. Returns its id."""
    message = Message("events", 0, 10_000 + InboxEvent.objects.count(), b"key", value)
    waking.finish(settle.settle_batch([], [Poison(poison_id(message), message, "the message could not be read")]))
    return poison_id(message)


def row(id: str) -> InboxEvent:
    return InboxEvent.objects.get(pk=id)


def order(redis: Redis, user: str = "u-1") -> list[int]:
    return [int(seq) for seq in redis.lrange(f"order:{user}", 0, -1)]


def text(field: bytes | str) -> str:
    return field if isinstance(field, str) else field.decode()


def hot(redis: Redis, id: str) -> dict[str, str]:
    return {text(key): text(value) for key, value in redis.hgetall(f"event:{id}").items()}


def dead_list(redis: Redis) -> list[str]:
    return [text(id) for id in redis.lrange("dlq:list", 0, -1)]


# --- retry now ---


def test_retry_now_makes_a_retry_due_tells_a_worker_and_is_on_record(redis: Redis) -> None:
    event = InboxEventFactory.create(retrying=True, next_attempt_at=timezone.now() + timedelta(hours=1))
    result = operations.retry_now(ids=[event.id], actor="ada")
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
    result = operations.retry_now(ids=[processed.id, letter.event_id, "nobody"], actor="ada")
    assert result.done == {}
    assert result.refused["done"] == "is not retrying: it is processed"
    assert result.refused["dead"].startswith("is not retrying: it is discarded at 20")
    assert result.refused["nobody"] == "is not retrying: the inbox does not have it"
    assert not OperatorAction.objects.exists()


# --- discard ---


def test_a_discarded_dead_letter_stays_failed_and_leaves_the_list(redis: Redis) -> None:
    fail_for_good(envelope("e-1", fail=True))
    assert dead_list(redis) == ["e-1"]
    result = operations.discard(ids=["e-1"], actor="ada")
    assert result.done == {"e-1": "discarded"}
    assert row("e-1").status == Status.FAILED
    assert DeadLetter.objects.get().discarded_at is not None
    assert OperatorAction.objects.get().action == "discard"
    assert dead_list(redis) == []
    assert not redis.exists("dlq:e-1")
    assert hot(redis, "e-1")["status"] == "failed"
    assert not HotStateOutbox.objects.exists()


def test_discard_is_legal_once(redis: Redis) -> None:
    DeadLetterFactory.create(event__id="dead")
    operations.discard(ids=["dead"], actor="ada")
    result = operations.discard(ids=["dead"], actor="bob")
    assert result.refused["dead"].startswith("is no dead letter: it is discarded at ")
    assert OperatorAction.objects.count() == 1


def test_a_writer_that_comes_late_does_not_bring_a_discarded_letter_back(redis: Redis) -> None:
    fail_for_good(envelope("e-1", fail=True))
    operations.discard(ids=["e-1"], actor="ada")
    hot_state.write(Settled(look_up=["e-1"]))
    assert dead_list(redis) == []


# --- replay of what failed ---


@pytest.mark.usefixtures("published")
def test_a_replayed_event_is_retrying_again_with_a_new_set_of_tries_and_leaves_the_dead_letters(redis: Redis) -> None:
    fail_for_good(envelope("e-1", fail=True))
    before = row("e-1")
    assert before.attempts == 2
    result = operations.replay(ids=["e-1"], actor="ada")
    assert result.done == {"e-1": "to be tried again"}
    event = row("e-1")
    assert (event.status, event.attempts, event.attempt_limit) == (Status.RETRYING, 2, 4)
    assert (event.error, event.final_at) == (before.error, None)
    assert event.version == before.version + 1
    assert not DeadLetter.objects.exists()
    assert dead_list(redis) == []
    assert not redis.exists("dlq:e-1", "event:e-1")
    assert OperatorAction.objects.get().detail == f"replay {event.replay}"
    assert not HotStateOutbox.objects.exists()


@pytest.mark.usefixtures("published")
def test_a_replayed_event_that_succeeds_counts_its_attempts_on(redis: Redis, settings: Settings) -> None:
    fail_for_good(envelope("e-1", fail=True))
    settings.FAULT_INJECTION = False
    operations.replay(ids=["e-1"], actor="ada")
    try_again("e-1")
    assert (row("e-1").status, row("e-1").attempts) == (Status.PROCESSED, 3)
    assert hot(redis, "e-1")["status"] == "processed"
    assert hot(redis, "e-1")["attempts"] == "3"


@pytest.mark.usefixtures("published")
def test_a_replayed_event_that_keeps_failing_is_a_new_dead_letter(redis: Redis) -> None:
    fail_for_good(envelope("e-1", fail=True))
    operations.replay(ids=["e-1"], actor="ada")
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
    operations.replay(ids=["e-2"], actor="ada")
    assert order(redis) == [1, 3]
    try_again("e-2")
    assert order(redis) == [1, 2, 3]
    assert Lane.objects.get().next_seq == 4


@pytest.mark.usefixtures("published")
def test_a_replayed_event_holds_up_only_what_was_replayed_with_it(redis: Redis, settings: Settings) -> None:
    fail_for_good(envelope("e-1", seq=1, fail=True), envelope("e-2", seq=2, fail=True))
    operations.replay(ids=["e-2", "e-1"], actor="ada")
    consume(envelope("e-3", seq=3))
    assert row("e-3").status == Status.PROCESSED
    try_again("e-2")
    assert (row("e-1").attempts, row("e-2").attempts) == (3, 2), "the second waits for the first"
    settings.FAULT_INJECTION = False
    try_again("e-2")
    assert order(redis) == [1, 2, 3]


@pytest.mark.usefixtures("published")
def test_the_order_holds_over_more_events_than_a_transaction_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "CHUNK", 2)
    fail_for_good(*(envelope(f"e-{n}", fail=True) for n in range(7)))
    operations.replay(ids=[f"e-{n}" for n in (3, 1, 2, 6, 5, 0, 4)], actor="ada")
    rows = InboxEvent.objects.order_by("replay_order")
    assert [event.id for event in rows] == [f"e-{n}" for n in range(7)]
    assert len({event.replay for event in rows}) == 1


def test_a_letter_without_its_copy_on_the_topic_is_not_replayed_while_kafka_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("processing.dead_letters.publish", lambda ids: 0)
    DeadLetterFactory.create(event__id="dead", published_at=None)
    result = operations.replay(ids=["dead"], actor="ada")
    assert "its copy is not on events.dlq yet" in result.refused["dead"]
    assert DeadLetter.objects.exists()


def test_what_was_discarded_or_is_no_dead_letter_is_not_replayed() -> None:
    DeadLetterFactory.create(event__id="gone", discarded_at=timezone.now())
    InboxEventFactory.create(id="held", held=True)
    result = operations.replay(ids=["gone", "held", "nobody"], actor="ada")
    assert result.done == {}
    assert sorted(result.refused) == ["gone", "held", "nobody"]
    assert result.refused["held"] == "is no dead letter: it is held"


def test_an_event_whose_payload_is_gone_is_not_replayed() -> None:
    DeadLetterFactory.create(event__id="dead", event__raw=None, event__payload=None)
    assert operations.replay(ids=["dead"], actor="ada").refused == {"dead": "its payload is no longer kept"}


# --- replay of what could not be read ---


@pytest.mark.usefixtures("published")
def test_a_poison_that_still_cannot_be_read_stays_as_it_is(redis: Redis) -> None:
    id = bury_bytes(UNREADABLE)
    result = operations.replay(ids=[id], actor="ada")
    assert result.refused[id].startswith("it still cannot be read: the message is not valid JSON")
    assert dead_list(redis) == [id]


@pytest.mark.usefixtures("published")
def test_a_poison_that_was_too_large_stays_until_the_limit_is_raised(settings: Settings) -> None:
    id = bury_bytes(envelope("e-1", text="x" * 1000))
    settings.EVENT_MAX_BYTES = 1000
    assert "EVENT_MAX_BYTES allows 1000" in operations.replay(ids=[id], actor="ada").refused[id]
    settings.EVENT_MAX_BYTES = 2000
    assert operations.replay(ids=[id], actor="ada").done[id] == "became 'e-1': retrying"


@pytest.mark.usefixtures("published")
def test_a_poison_becomes_the_event_that_it_carries(redis: Redis) -> None:
    value = envelope("e-1", color="ü")
    id = bury_bytes(value)
    result = operations.replay(ids=[id], actor="ada")
    assert result.done == {id: "became 'e-1': retrying"}
    event = row("e-1")
    assert (event.status, event.attempts, event.attempt_limit) == (Status.RETRYING, 0, 2)
    assert (bytes(event.raw or b""), bytes(event.key or b""), event.topic) == (value, b"key", "events")
    assert (event.user_id, event.type, event.payload) == ("u-1", "page.viewed", '{"color":"ü"}')
    assert event.occurred_at is not None
    assert round(event.occurred_at.timestamp() * 1000) == 1_790_000_000_000
    assert not InboxEvent.objects.filter(pk=id).exists()
    assert dead_list(redis) == []
    assert not redis.exists(f"dlq:{id}", f"event:{id}")
    assert dict(OperatorAction.objects.values_list("event_id", "detail")) == {
        id: "became 'e-1': retrying",
        "e-1": f"carried by {id}: retrying",
    }
    try_again("e-1")
    assert (row("e-1").status, row("e-1").attempts) == (Status.PROCESSED, 1)
    assert hot(redis, "e-1")["status"] == "processed"


@pytest.mark.usefixtures("published")
def test_a_poison_whose_event_the_inbox_has_already_just_goes() -> None:
    consume(envelope("e-1", color="red"))
    id = bury_bytes(envelope("e-1", color="blue"))
    result = operations.replay(ids=[id], actor="ada")
    assert result.done == {id: "known: the inbox already has 'e-1', which it carries"}
    assert row("e-1").payload == '{"color":"red"}'
    assert InboxEvent.objects.count() == 1


@pytest.mark.usefixtures("published")
def test_of_two_poisons_with_one_id_the_first_in_the_log_counts() -> None:
    first, second = bury_bytes(envelope("e-1", color="red")), bury_bytes(envelope("e-1", color="blue"))
    result = operations.replay(ids=[second, first], actor="ada")
    assert result.done[second].startswith("known")
    assert row("e-1").payload == '{"color":"red"}'


@pytest.mark.usefixtures("published")
def test_a_poison_at_the_front_of_its_lane_is_held_and_has_its_turn(redis: Redis) -> None:
    consume(envelope("e-2", seq=2))
    id = bury_bytes(envelope("e-1", seq=1))
    assert operations.replay(ids=[id], actor="ada").done == {id: "became 'e-1': held"}
    waking.wake(["e-1"])
    assert order(redis) == [1, 2]


@pytest.mark.usefixtures("published")
def test_a_poison_beyond_the_front_waits_in_its_lane_like_any_other() -> None:
    id = bury_bytes(envelope("e-5", seq=5))
    operations.replay(ids=[id], actor="ada")
    lane = Lane.objects.get()
    assert (row("e-5").status, lane.next_seq, lane.waiting_since is not None) == (Status.HELD, 1, True)


@pytest.mark.usefixtures("published")
def test_a_poison_whose_seq_its_lane_has_passed_takes_effect_late(redis: Redis) -> None:
    LaneFactory.create(next_seq=2)
    consume(envelope("e-2", seq=2))
    id = bury_bytes(envelope("e-1", seq=1))
    assert operations.replay(ids=[id], actor="ada").done == {id: "became 'e-1': retrying"}
    try_again("e-1")
    assert order(redis) == [1, 2]


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("owner", ["processed", "held", "failed", "discarded", "retrying"])
def test_a_poison_whose_seq_another_event_owns_is_skipped_whatever_became_of_that_one(redis: Redis, owner: str) -> None:
    LaneFactory.create(next_seq=1 if owner in ("held", "retrying") else 2)
    if owner in ("failed", "discarded"):
        discarded_at = timezone.now() if owner == "discarded" else None
        DeadLetterFactory.create(event__id="owner", event__seq=1, discarded_at=discarded_at)
    else:
        InboxEventFactory.create(id="owner", seq=1, **({} if owner == "processed" else {owner: True}))
    id = bury_bytes(envelope("e-1", seq=1))
    result = operations.replay(ids=[id], actor="ada")
    assert result.done == {id: "became 'e-1': seq 1 of 'u-1' belongs to another event that came first"}
    event = row("e-1")
    assert (event.status, event.attempts, event.raw) == (Status.SKIPPED, 0, None)
    assert event.final_at is not None
    assert hot(redis, "e-1")["status"] == "skipped"


@pytest.mark.usefixtures("published")
def test_a_skipped_event_does_not_own_its_seq() -> None:
    LaneFactory.create(next_seq=2)
    InboxEventFactory.create(id="late", seq=1, skipped=True)
    id = bury_bytes(envelope("e-1", seq=1))
    assert operations.replay(ids=[id], actor="ada").done == {id: "became 'e-1': retrying"}


@pytest.mark.usefixtures("published")
def test_of_two_poisons_with_one_seq_the_first_in_the_log_owns_it() -> None:
    first, second = bury_bytes(envelope("e-1", seq=1)), bury_bytes(envelope("e-2", seq=1))
    operations.replay(ids=[second, first], actor="ada")
    assert (row("e-1").status, row("e-2").status) == (Status.HELD, Status.SKIPPED)


@pytest.mark.usefixtures("published")
def test_poisons_and_failed_events_of_a_user_keep_the_order_of_their_seqs(redis: Redis, settings: Settings) -> None:
    fail_for_good(*(envelope(f"e-{seq}", seq=seq, fail=True) for seq in (1, 2)))
    Lane.objects.update(next_seq=5)
    poisons = {seq: bury_bytes(envelope(f"e-{seq}", seq=seq)) for seq in (4, 3)}
    operations.replay(ids=["e-2", poisons[4], "e-1", poisons[3]], actor="ada")
    rows = InboxEvent.objects.order_by("replay_order")
    assert [event.id for event in rows] == ["e-1", "e-2", "e-3", "e-4"]
    settings.FAULT_INJECTION = False
    try_again("e-4")
    assert order(redis) == [1, 2, 3, 4]


# --- without Redis ---


@pytest.mark.usefixtures("published")
def test_while_redis_is_away_an_action_is_done_and_a_sweep_writes_the_hot_state(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for_good(envelope("e-1", fail=True))

    def away(_: Any) -> None:
        raise RedisError("Redis is away")

    with monkeypatch.context() as patched:
        patched.setattr("processing.hot_state.write", away)
        assert operations.replay(ids=["e-1"], actor="ada").done
    assert dead_list(redis) == ["e-1"]
    assert HotStateOutbox.objects.get().event_ids == ["e-1"]
    HotStateOutbox.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    sweeps.sweep_outbox()
    assert dead_list(redis) == []
    assert not HotStateOutbox.objects.exists()
