"""What the pipeline counts of itself agrees with the inbox to the event, whatever runs twice or is rolled back."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db.models import F, Sum
from django.utils import timezone

from processing.background import retention
from processing.domain.messages import Message, read_message
from processing.domain.statuses import FINAL
from processing.domain.tally import BATCHES, ENDS, POSTGRES_US, TOOK_MS, TRIED, WITHIN
from processing.engine import release
from processing.engine.process_batch import process_batch
from processing.models import Count, InboxEvent
from processing.operators import actions
from processing.operators.set_lane import set_lane
from processing.postgres.tallies import merge_writers_before, read_counts
from processing.postgres.transaction import transaction
from tests.support import flaky
from tests.support.batches import batch_of, value
from tests.support.dead import bury_bytes, consume, fail_for_good, try_again
from tests.support.replays import replay

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]


@pytest.fixture(autouse=True)
def fresh_runs() -> None:
    flaky.runs.clear()


def counted() -> dict[tuple[str, str], int]:
    """By kind and what."""
    rows = Count.objects.values_list("kind", "what").annotate(sum=Sum("number"))
    return {(kind, what): number for kind, what, number in rows}


def total(*what: str) -> int:
    return sum(number for (_, name), number in counted().items() if name in what)


def agree() -> None:
    """The counts say what the inbox has."""
    final = InboxEvent.objects.filter(status__in=FINAL).count()
    attempts = InboxEvent.objects.aggregate(sum=Sum("attempts"))["sum"] or 0
    assert total(*ENDS) - total("replayed") == final
    assert total("processed") == InboxEvent.objects.filter(status="processed").count()
    assert total(*TRIED) == attempts


def test_each_outcome_is_counted_by_kind() -> None:
    consume(
        value("done", family="game", type="move", data={}),
        value("retried", fails=1),
        value("lane-3", user="l", seq=3),
        value("plain", family=None),
        b"{ not JSON",
    )
    consume(
        value("done", family="game", type="move", data={}),
        value("late", user="l", seq=1),
        value("twice", user="l", seq=3),
    )
    try_again("retried")
    counts = counted()
    assert counts["flaky", "retrying"] == 1
    assert counts["flaky", "held"] == 2  # seq 1 too: its lane is released in a transaction of its own
    assert counts["no family", "processed"] == 1
    assert counts["topic:events", "poison"] == 1
    assert counts["game", "duplicate"] == 1
    assert counts["flaky", "skipped"] == 1
    assert counts["flaky", "processed"] == 2  # seq 3 still waits for 2
    assert counts["", BATCHES] == 4
    assert counts["", POSTGRES_US] > 0
    agree()


def test_a_batch_that_comes_again_counts_duplicates_only() -> None:
    messages = [value("a"), value("b", fails=99), b"{"]
    consume(*messages)
    before = counted()
    consume(*messages)
    new = Counter(counted()) - Counter(before)
    outcomes = {key: number for key, number in new.items() if key[0]}
    assert outcomes == {("flaky", "duplicate"): 2, ("topic:events", "duplicate"): 1}
    agree()


def test_a_transaction_that_is_rolled_back_counts_nothing() -> None:
    batch = batch_of(value("a"), value("b"))
    with pytest.raises(RuntimeError), transaction():
        process_batch(batch.arrivals, [])
        raise RuntimeError
    assert counted() == {}
    process_batch(batch.arrivals, [])
    agree()


def test_what_operators_do_is_counted_too() -> None:
    fail_for_good(value("a", fails=3), value("b", fails=99))
    poison = bury_bytes(b"{ still not JSON")
    replay(ids=["a", "b", poison], actor="ada")
    assert counted()["flaky", "replayed"] == 2
    agree()
    try_again("a", "b")
    try_again("a", "b")
    actions.discard(ids=["b"], actor="ada")
    consume(value("lane-2", user="l", seq=2), value("lane-9", user="l", seq=9))
    set_lane("l", 9, replay=False, actor="ada")
    release.release_all(["l"])
    assert counted()["flaky", "skipped"] == 1
    set_lane("l", 1, replay=True, actor="ada")
    agree()


def test_a_poison_that_is_read_anew_counts_as_the_event_it_carries() -> None:
    poison = bury_bytes(value("carried"))
    replay(ids=[poison], actor="ada")
    try_again("carried")
    counts = counted()
    assert counts["topic:events", "replayed"] == 1
    assert counts["flaky", "processed"] == 1
    agree()


def test_the_time_to_an_outcome_counts_from_when_kafka_had_the_event() -> None:
    sent = int(time.time() * 1000) - 20_000
    arrival = read_message(Message("events", 0, 0, b"u", value("a"), written_at=sent))
    process_batch([arrival], [])  # type: ignore[list-item]
    counts = counted()
    assert counts["flaky", "within 30000 ms"] == 1
    assert 20_000 <= counts["flaky", TOOK_MS] < 30_000
    assert total(*WITHIN) == 1


def test_old_counts_are_rolled_up_without_a_change_of_their_sums_and_then_forgotten() -> None:
    for minutes in range(25):
        consume(value(f"e{minutes}"))
        moved = F("minute") - timedelta(hours=3, minutes=2 * minutes)  # none meets another when the clock goes on
        Count.objects.filter(minute__gt=timezone.now() - timedelta(hours=2)).update(minute=moved)
    before = counted()
    retention.retire()
    assert counted() == before
    assert set(Count.objects.values_list("writer", flat=True)) == {""}
    assert Count.objects.filter(what="processed").count() <= 7  # of ten minutes each
    Count.objects.update(minute=F("minute") - timedelta(hours=24))
    retention.retire()
    assert counted() == before
    assert Count.objects.filter(what="processed").count() <= 3  # of an hour each
    read = read_counts(timezone.now() - timedelta(days=3), 3_600)
    assert sum(number for start, _, what, number in read if start and what == "processed") == 25
    assert (None, "flaky", "processed", 25) in read
    Count.objects.update(minute=F("minute") - timedelta(days=400))
    retention.retire()
    assert counted() == {}


def test_a_minutes_counts_of_all_writers_become_one_row() -> None:
    consume(value("a"))
    Count.objects.update(writer="another")
    consume(value("b"))
    Count.objects.update(minute=Count.objects.latest("minute").minute)  # one may have ended in between
    before = counted()
    merge_writers_before(timezone.now() - timedelta(minutes=3))
    assert Count.objects.filter(what="processed").count() == 2
    merge_writers_before(timezone.now() + timedelta(minutes=3))
    assert counted() == before
    assert [(c.writer, c.number) for c in Count.objects.filter(what="processed")] == [("", 2)]
