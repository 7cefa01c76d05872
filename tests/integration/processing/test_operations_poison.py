"""Replaying what could not be read when it came, on real rows and a real Redis."""

from __future__ import annotations

import pytest
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from processing.domain.statuses import Status
from processing.engine import release
from processing.models import InboxEvent, Lane, ReplayItem
from tests.support.dead import bury_bytes, consume, dead_list, fail_for_good, hot, order, row, try_again
from tests.support.factories import DeadLetterFactory, InboxEventFactory, LaneFactory, envelope
from tests.support.replays import replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_tries")]

UNREADABLE = b'{"id": "e-1", '


@pytest.mark.usefixtures("published")
def test_a_poison_that_still_cannot_be_read_stays_as_it_is(redis: Redis) -> None:
    id = bury_bytes(UNREADABLE)
    result = replay(ids=[id], actor="ada")
    assert result.refused[id].startswith("it still cannot be read: the message is not valid JSON")
    assert dead_list(redis) == [id]


@pytest.mark.usefixtures("published")
def test_a_poison_that_was_too_large_stays_until_the_limit_is_raised(settings: Settings) -> None:
    id = bury_bytes(envelope("e-1", text="x" * 1000))
    settings.EVENT_MAX_BYTES = 1000
    assert "EVENT_MAX_BYTES allows 1000" in replay(ids=[id], actor="ada").refused[id]
    settings.EVENT_MAX_BYTES = 2000
    assert replay(ids=[id], actor="ada").done[id] == "became 'e-1': retrying"


@pytest.mark.usefixtures("published")
def test_a_poison_becomes_the_event_that_it_carries(redis: Redis) -> None:
    value = envelope("e-1", color="ü")
    id = bury_bytes(value)
    result = replay(ids=[id], actor="ada")
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
    item = ReplayItem.objects.get()
    assert (item.event_id, item.became, item.detail) == (id, "e-1", "became 'e-1': retrying")
    try_again("e-1")
    assert (row("e-1").status, row("e-1").attempts) == (Status.PROCESSED, 1)
    assert hot(redis, "e-1")["status"] == "processed"


@pytest.mark.usefixtures("published")
def test_a_poison_whose_event_the_inbox_has_already_just_goes() -> None:
    consume(envelope("e-1", color="red"))
    id = bury_bytes(envelope("e-1", color="blue"))
    result = replay(ids=[id], actor="ada")
    assert result.done == {id: "known: the inbox already has 'e-1', which it carries"}
    assert row("e-1").payload == '{"color":"red"}'
    assert InboxEvent.objects.count() == 1


@pytest.mark.usefixtures("published")
def test_of_two_poisons_with_one_id_the_first_in_the_log_counts() -> None:
    first, second = bury_bytes(envelope("e-1", color="red")), bury_bytes(envelope("e-1", color="blue"))
    result = replay(ids=[second, first], actor="ada")
    assert result.done[second].startswith("known")
    assert row("e-1").payload == '{"color":"red"}'


@pytest.mark.usefixtures("published")
def test_a_poison_at_the_front_of_its_lane_is_held_and_has_its_turn(redis: Redis) -> None:
    consume(envelope("e-2", seq=2))
    id = bury_bytes(envelope("e-1", seq=1))
    assert replay(ids=[id], actor="ada").done == {id: "became 'e-1': held"}
    release.run_due(["e-1"])
    assert order(redis) == [1, 2]


@pytest.mark.usefixtures("published")
def test_a_poison_beyond_the_front_waits_in_its_lane_like_any_other() -> None:
    id = bury_bytes(envelope("e-5", seq=5))
    replay(ids=[id], actor="ada")
    lane = Lane.objects.get()
    assert (row("e-5").status, lane.next_seq, lane.waiting_since is not None) == (Status.HELD, 1, True)


@pytest.mark.usefixtures("published")
def test_a_poison_whose_seq_its_lane_has_passed_takes_effect_late(redis: Redis) -> None:
    LaneFactory.create(next_seq=2)
    consume(envelope("e-2", seq=2))
    id = bury_bytes(envelope("e-1", seq=1))
    assert replay(ids=[id], actor="ada").done == {id: "became 'e-1': retrying"}
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
    result = replay(ids=[id], actor="ada")
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
    assert replay(ids=[id], actor="ada").done == {id: "became 'e-1': retrying"}


@pytest.mark.usefixtures("published")
def test_of_two_poisons_with_one_seq_the_first_in_the_log_owns_it() -> None:
    first, second = bury_bytes(envelope("e-1", seq=1)), bury_bytes(envelope("e-2", seq=1))
    replay(ids=[second, first], actor="ada")
    assert (row("e-1").status, row("e-2").status) == (Status.HELD, Status.SKIPPED)


@pytest.mark.usefixtures("published")
def test_poisons_and_failed_events_of_a_user_keep_the_order_of_their_seqs(redis: Redis, settings: Settings) -> None:
    fail_for_good(*(envelope(f"e-{seq}", seq=seq, fail=True) for seq in (1, 2)))
    Lane.objects.update(next_seq=5)
    poisons = {seq: bury_bytes(envelope(f"e-{seq}", seq=seq)) for seq in (4, 3)}
    replay(ids=["e-2", poisons[4], "e-1", poisons[3]], actor="ada")
    rows = InboxEvent.objects.order_by("replay_order")
    assert [event.id for event in rows] == ["e-1", "e-2", "e-3", "e-4"]
    settings.FAULT_INJECTION = False
    try_again("e-4")
    assert order(redis) == [1, 2, 3, 4]
