"""Lanes: what comes early waits, however long the log is; what never comes is passed; a seq is taken once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.pipeline.load import Sent, lane
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline


def test_a_thousand_events_of_one_user_running_backwards_take_effect_forwards(stack: Stack) -> None:
    sent = lane("backwards", range(1000, 0, -1), family="game")
    places = stack.produce(event.record() for event in sent)
    stack.start("consumer")
    settle_and_check(stack, Expected(sent, places))


def test_what_lies_far_behind_in_the_log_is_no_gap_even_for_a_consumer_that_died(stack: Stack) -> None:
    users = [f"far-{number}" for number in range(50)]
    evens = [event for user in users for event in lane(user, range(2, 21, 2), family="game")]
    odds = [event for user in users for event in lane(user, range(1, 21, 2))]
    others = [Sent(f"other-{number}", f"other-{number % 300}") for number in range(20_000)]
    sent = evens + others + odds
    places = stack.produce(event.record() for event in sent)

    impatient = {"SEQUENCE_GAP_TIMEOUT_MS": "50", "CONSUMER_BATCH_SIZE": "100"}
    first = stack.start("consumer", **impatient)
    stack.wait_for_rows(8_000)
    first.kill()
    for name in ("worker", "beat"):  # what it had released and not yet written to Redis is for a sweep
        stack.start(name)
    stack.start("consumer", **impatient)
    settle_and_check(stack, Expected(sent, places))


def test_a_seq_that_never_comes_is_passed_and_skipped_when_it_comes_after_all(stack: Stack) -> None:
    stack.start("consumer")
    sent = lane("gappy", [1, 2, 4, 5, 7], family="game")
    places = stack.produce(event.record() for event in sent)
    settle_and_check(stack, Expected(sent, places))
    late = lane("gappy", [6, 3], family="game")
    sent, places = sent + late, places + stack.produce(event.record() for event in late)
    settle_and_check(stack, Expected(sent, places, skipped=frozenset(event.id for event in late)))
    assert stack.redis.lrange("order:gappy", 0, -1) == ["1", "2", "4", "5", "7"]


def test_crowds_with_gaps_are_passed_each_gap_once_and_in_order(stack: Stack) -> None:
    """A lane of even seqs, a crowd that begins late, a neighbour; beside users without any gap."""
    stack.start("consumer", CONSUMER_BATCH_SIZE="500")
    crowd = [event for number in range(600) for event in lane(f"late-{number}", [57, 58])]
    sent = [*lane("evens", range(2, 602, 2), family="game"), *crowd, *lane("neighbour", [1, 3]), *lane("whole", [1, 2])]
    places = stack.produce(event.record() for event in sent)
    settle_and_check(stack, Expected(sent, places))
    gaps = "SELECT count(*), min(first_seq), max(last_seq), max(last_seq - first_seq) FROM processing_passedgap"
    assert stack.sql(f"{gaps} WHERE user_id = 'evens'") == [(300, 1, 599, 0)]
    assert stack.sql(f"{gaps} WHERE user_id LIKE 'late-%%'") == [(600, 1, 56, 55)]
    assert stack.sql(f"{gaps} WHERE user_id = 'neighbour'") == [(1, 2, 2, 0)]


def test_a_lane_in_which_much_waits_holds_up_no_batch(stack: Stack) -> None:
    """Its events take effect in many transactions; the neighbours' batches come in between."""
    held = lane("long", range(2, 9_002))
    places = stack.produce(event.record() for event in held)
    stack.start("consumer", SEQUENCE_GAP_TIMEOUT_MS="600000")
    stack.wait_for_rows(len(held))
    first = lane("long", [1])
    places += stack.produce(event.record() for event in first)
    beside: list[Sent] = []

    def is_through() -> bool:
        beside.append(Sent(f"beside-{len(beside)}", f"neighbour-{len(beside)}"))
        places.extend(stack.produce([beside[-1].record()]))
        return bool(stack.value("SELECT waiting_since IS NULL FROM processing_lane"))

    stack.wait_until(is_through, "the lane is through")
    settle_and_check(stack, Expected([*held, *first, *beside], places))
    within = """SELECT count(*) FROM processing_inboxevent WHERE seq IS NULL AND final_at BETWEEN
                  (SELECT min(final_at) FROM processing_inboxevent WHERE seq IS NOT NULL) AND
                  (SELECT max(final_at) FROM processing_inboxevent WHERE seq IS NOT NULL)"""
    assert stack.value(within) > 1


def test_the_first_of_an_id_counts_even_within_one_batch(stack: Stack) -> None:
    first = [*lane("twice", range(1, 6), family="game"), Sent("free", "twice")]
    again = [replace(event, user="somebody else", family=None, seq=None) for event in first]
    sent = [event for pair in zip(first, again, strict=True) for event in (pair[0], pair[0])]
    places = stack.produce(event.record() for event in sent)
    stack.start("consumer")
    settle_and_check(stack, Expected(sent, places))
    stack.produce(event.record() for event in again)
    settle_and_check(stack, Expected(sent, places))


def test_a_seq_belongs_to_the_first_id_whatever_became_of_it(stack: Stack) -> None:
    stack.start("consumer", SEQUENCE_GAP_TIMEOUT_MS="600000")
    first = [
        Sent("processed", "a", 1, "game"),
        Sent("held", "b", 2, "game"),
        Sent("retrying", "c", 1, "game", fail=True),
        Sent("same-batch", "d", 1, "game"),
        Sent("same-batch-rival", "d", 1, "game"),
        Sent("same-batch-held", "d", 3, "game"),
        Sent("same-batch-held-rival", "d", 3, "game"),
    ]
    places = stack.produce(event.record() for event in first)
    stack.wait_for_rows(len(first))
    rivals = [Sent(f"{event.id}-rival", event.user, event.seq, event.family) for event in first[:3]]
    places += stack.produce(event.record() for event in rivals)
    stack.wait_for_rows(len(first) + len(rivals))
    assert stack.sql("SELECT id, status FROM processing_inboxevent WHERE status <> 'processed' ORDER BY id") == [
        ("held", "held"),
        ("held-rival", "skipped"),
        ("processed-rival", "skipped"),
        ("retrying", "retrying"),
        ("retrying-rival", "skipped"),
        ("same-batch-held", "held"),
        ("same-batch-held-rival", "skipped"),
        ("same-batch-rival", "skipped"),
    ]

    stack.start("worker")
    stack.start("beat")
    rest = [Sent("b-1", "b", 1, "game"), Sent("d-2", "d", 2)]
    places += stack.produce(event.record() for event in rest)
    sent = [*first, *rivals, *rest]
    skipped = frozenset(event.id for event in sent if event.id.endswith("rival"))
    settle_and_check(stack, Expected(sent, places, skipped=skipped))
