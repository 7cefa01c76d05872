"""Events whose seq is too far ahead of their lane: they lead nobody astray, and can be replayed."""

from __future__ import annotations

import pytest
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from processing.background.kinds import tend_kinds
from processing.domain.kinds import type_kind
from processing.domain.statuses import Status
from processing.engine import release
from processing.models import DeadLetter, InboxEvent, Lane
from processing.operators import kinds
from processing.postgres.kinds import find_kinds
from tests.support import gaps
from tests.support.dead import bury_bytes, consume, dead_list, hot, order, row
from tests.support.factories import envelope
from tests.support.replays import replay

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]
CLOCK = 1_790_000_000_000


def numbered(*seqs: int) -> list[bytes]:
    return [envelope(f"e-{seq}", seq=seq) for seq in seqs]


def front() -> int:
    return Lane.objects.get().next_seq


def check_the_clock_is_a_dead_letter(redis: Redis) -> None:
    event = row(f"e-{CLOCK}")
    assert (event.status, event.attempts, event.seq) == (Status.FAILED, 0, None)
    assert event.error is not None
    assert event.error.startswith(f"seq {CLOCK} is more than 1000000 (SEQUENCE_MAX_AHEAD) ahead of 3, the highest")
    assert event.raw is not None
    assert DeadLetter.objects.get().reason == "ahead"
    assert hot(redis, event.id)["status"] == "failed"
    assert dead_list(redis) == [event.id]
    assert order(redis) == [1, 2, 3, 4]
    assert front() == 5


def test_a_clock_among_seqs_is_a_dead_letter_and_the_lane_goes_on(redis: Redis) -> None:
    for value in numbered(1, 2, 3, CLOCK, 4):
        consume(value)
    check_the_clock_is_a_dead_letter(redis)


def test_also_within_one_batch(redis: Redis) -> None:
    consume(*numbered(1, 2, 3, CLOCK, 4))
    check_the_clock_is_a_dead_letter(redis)


def test_a_lane_that_waits_is_not_led_astray_either(redis: Redis) -> None:
    consume(*numbered(1, 3))
    consume(*numbered(CLOCK))
    assert row(f"e-{CLOCK}").status == Status.FAILED
    consume(*numbered(2, 4))
    check_the_clock_is_a_dead_letter(redis)


def test_nor_one_whose_kind_is_set_aside(redis: Redis) -> None:
    """New events of such a kind are in the inbox, waiting, before their lanes are looked at."""
    consume(*numbered(1, 3))
    kind = type_kind(row("e-1").family, row("e-1").type)
    kinds.pause(kind, actor="ada")
    consume(*numbered(CLOCK, 2))
    clock = row(f"e-{CLOCK}")
    assert (clock.status, clock.waits_for) == (Status.FAILED, None)
    assert (row("e-2").status, Lane.objects.get().waits_for) == (Status.HELD, "kind")
    kinds.resume(kind, actor="ada")
    while find_kinds():
        tend_kinds()
    consume(*numbered(4))
    check_the_clock_is_a_dead_letter(redis)


def test_a_lane_without_any_outcome_takes_any_seq(redis: Redis) -> None:
    consume(*numbered(CLOCK))
    assert row(f"e-{CLOCK}").status == Status.HELD
    assert gaps.pass_gap("u-1") == 1
    assert (row(f"e-{CLOCK}").status, front()) == (Status.PROCESSED, CLOCK + 1)


def test_0_allows_any(redis: Redis, settings: Settings) -> None:
    settings.SEQUENCE_MAX_AHEAD = 0
    consume(*numbered(1, 2, 3))
    consume(*numbered(CLOCK))
    assert row(f"e-{CLOCK}").status == Status.HELD


def test_the_same_again_changes_nothing(redis: Redis) -> None:
    consume(*numbered(1, 2, 3, CLOCK, 4))
    before = InboxEvent.objects.values().order_by("id")
    known = list(before)
    consume(*numbered(1, 2, 3, CLOCK, 4))
    assert list(before.all()) == known
    check_the_clock_is_a_dead_letter(redis)


# --- a replay decides anew ---


def test_while_it_is_too_far_ahead_a_replay_leaves_it_as_it_is(redis: Redis) -> None:
    consume(*numbered(1, 2, 3, CLOCK, 4))
    result = replay(ids=[f"e-{CLOCK}"], actor="ada")
    assert result.refused[f"e-{CLOCK}"].startswith(f"seq {CLOCK} is more than 1000000 (SEQUENCE_MAX_AHEAD) ahead of 4")
    check_the_clock_is_a_dead_letter(redis)


def test_where_it_may_be_ahead_by_now_it_waits_in_its_lane(redis: Redis, settings: Settings) -> None:
    settings.SEQUENCE_MAX_AHEAD = 10
    consume(*numbered(1, 20, 2))
    assert row("e-20").status == Status.FAILED
    settings.SEQUENCE_MAX_AHEAD = 100
    assert replay(ids=["e-20"], actor="ada").done == {"e-20": "held, with seq 20"}
    assert (row("e-20").status, row("e-20").seq, row("e-20").error) == (Status.HELD, 20, None)
    assert not redis.exists("event:e-20", "dlq:e-20")
    assert dead_list(redis) == []
    assert Lane.objects.get().waiting_since is not None
    consume(*numbered(*range(3, 20)))
    assert (row("e-20").status, row("e-20").attempts) == (Status.PROCESSED, 1)
    assert order(redis) == list(range(1, 21))


def test_where_its_lane_has_passed_it_it_takes_effect_late(redis: Redis, settings: Settings) -> None:
    settings.SEQUENCE_MAX_AHEAD = 1
    consume(*numbered(1, 3))
    settings.SEQUENCE_MAX_AHEAD = 0
    consume(*numbered(4))
    assert gaps.pass_gap("u-1") == 1
    assert order(redis) == [1, 4]
    assert replay(ids=["e-3"], actor="ada").done == {"e-3": "retrying, with seq 3"}
    release.run_due(["e-3"])
    assert (row("e-3").status, row("e-3").attempts) == (Status.PROCESSED, 1)
    assert order(redis) == [1, 3, 4]


def test_where_another_event_has_its_seq_by_now_it_is_skipped(redis: Redis, settings: Settings) -> None:
    settings.SEQUENCE_MAX_AHEAD = 1
    consume(*numbered(1, 3), envelope("other-2", seq=2), envelope("other-3", seq=3))
    assert order(redis) == [1, 2, 3]
    assert replay(ids=["e-3"], actor="ada").done == {"e-3": "skipped, with seq 3"}
    assert hot(redis, "e-3")["status"] == "skipped"
    assert dead_list(redis) == []


def test_a_poison_that_turns_out_to_be_far_ahead_stays_a_dead_letter_under_the_id_that_it_carries(redis: Redis) -> None:
    consume(*numbered(1, 2, 3))
    poison = bury_bytes(envelope(f"e-{CLOCK}", seq=CLOCK))
    DeadLetter.objects.update(published_at=timezone.now())
    result = replay(ids=[poison], actor="ada")
    assert result.done[poison].startswith(f"became 'e-{CLOCK}': seq {CLOCK} is more than")
    consume(*numbered(4))
    check_the_clock_is_a_dead_letter(redis)
