"""Gaps by rounds: what each lane may pass, and when. No broker is asked."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from processing.consumer.batch import Batch
from processing.consumer.gaps import ASK_AGAIN_S
from processing.consumer.partitions import Key
from processing.domain.messages import Message
from processing.engine.process_batch import process_batch
from processing.operators.set_lane import set_lane
from processing.postgres import imports
from tests.support import flaky
from tests.support.batches import applied, column, retry_all, statuses, value
from tests.support.gaps import EVENTS, OTHERS, TIMEOUT_S, Consuming, numbered, waiting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]


@pytest.fixture(autouse=True)
def patience(redis: Redis, settings: Settings) -> None:
    flaky.runs.clear()
    settings.SEQUENCE_GAP_TIMEOUT_MS = TIMEOUT_S * 1000
    settings.RETRY_BACKOFF_MS = 0


def test_a_gap_is_as_old_as_the_first_that_was_read_of_those_behind_it() -> None:
    consumer = Consuming()
    consumer.read(*numbered("u", 5), at=0.0)
    consumer.read(*numbered("u", 3), at=1.9)
    consumer.read(*numbered("u", 9), at=1.9)
    assert consumer.look(at=1.9) == 0
    assert consumer.look(at=2.0) == 2, "before 3 and before 5"
    assert waiting() == ["u-9"]
    assert consumer.look(at=3.8) == 0
    assert consumer.look(at=3.9) == 1


def test_a_backlog_is_no_gap() -> None:
    consumer = Consuming()
    consumer.read(*numbered("u", 2), at=0.0)
    consumer.end = 3
    assert consumer.look(at=2.0) == 0
    consumer.read(value("free"), at=9.0)
    assert consumer.look(at=9.0) == 0
    consumer.end = 900  # what came after the timeout is not waited for
    consumer.read(value("also free"), at=9.1)
    assert consumer.look(at=9.1) == 1
    assert consumer.asked == 1


def test_a_partition_whose_end_is_not_told_holds_up_no_other() -> None:
    consumer, asked = Consuming(), []
    consumer.read(*numbered("u", 2), at=0.0)
    consumer.partitions.assign([OTHERS])
    consumer.key = OTHERS
    consumer.place()

    def ask(key: Key) -> int | None:
        asked.append(key)
        return None if key == EVENTS else consumer._ask(key)

    consumer.rounds._ask_end = ask
    assert consumer.look(at=2.0) == 0
    consumer.read(*numbered("v", 2), at=2.1)
    assert consumer.look(at=4.1) == 1
    assert asked == [EVENTS, OTHERS]
    assert consumer.look(at=2.0 + ASK_AGAIN_S) == 0
    assert asked[2:] == [EVENTS]
    assert waiting() == ["u-2"]


def test_a_gap_to_which_a_retry_leads_was_decided_meanwhile() -> None:
    consumer = Consuming()
    consumer.read(value("u-1", seq=1, fails=1), *numbered("u", 3, 5), at=0.0)
    consumer.read(*numbered("other", 2), at=0.0)
    assert consumer.look(at=2.0) == 1
    retry_all()
    assert waiting() == ["u-3", "u-5"]
    assert consumer.look(at=2.5) == 2
    assert (consumer.asked, applied()) == (1, [1, 3, 5])


def test_behind_a_failing_event_the_gaps_wait_for_its_retry(settings: Settings) -> None:
    settings.RETRY_BACKOFF_MS = 60_000
    consumer = Consuming()
    consumer.read(value("u-2", seq=2, fails=1), *numbered("u", 4), at=0.0)
    assert consumer.look(at=2.0) == 1
    assert column("SELECT next_seq FROM processing_lane") == [2]
    assert statuses() == {"u-2": ("retrying", 1), "u-4": ("held", 0)}
    retry_all()
    assert consumer.look(at=2.5) == 1
    assert applied() == [2, 4]


def test_a_clock_of_the_database_that_was_ahead_makes_nobody_wait() -> None:
    consumer = Consuming()
    consumer.read(*numbered("u", 2), at=0.0)
    column("UPDATE processing_inboxevent SET received_at = now() + interval '1 year' RETURNING id")
    column("UPDATE processing_lane SET waiting_since = now() + interval '1 year' RETURNING user_id")
    assert consumer.look(at=2.0) == 1
    assert column("SELECT waited_ms FROM processing_passedgap") == [0]


def test_an_event_of_an_earlier_log_is_as_old_as_the_consumers_hold_on_its_partition() -> None:
    consumer = Consuming()
    consumer.place(start=500)
    consumer.read(*numbered("u", 2), at=0.0)
    later = Consuming()
    later.place(start=0, generation=2)  # the topic was deleted and made again
    assert later.look(at=1.9) == 0
    assert later.look(at=2.0) == 1
    assert consumer.look(at=9.0) == 0, "the one that lost the partition to it decides nothing"


def test_who_lost_a_partition_decides_nothing_of_it() -> None:
    consumer = Consuming()
    consumer.read(*numbered("u", 2), at=0.0)
    consumer.partitions.revoke([EVENTS])
    assert consumer.look(at=2.0) == 0
    assert Consuming(OTHERS).look(at=2.0) == 0


def test_a_lane_that_was_set_back_waits_anew() -> None:
    consumer = Consuming()
    consumer.read(*numbered("u", 1, 2, 5), at=0.0)
    assert consumer.look(at=2.0) == 1
    consumer.read(*numbered("u", 9), at=2.0)
    set_lane("u", 3, replay=False, actor="ada")
    assert consumer.look(at=99.0) == 0
    column("UPDATE processing_lane SET waiting_since = waiting_since - interval '2 seconds' RETURNING user_id")
    assert consumer.look(at=99.1) > 0
    assert applied() == [1, 2, 5, 9]


def test_before_an_event_of_a_file_a_gap_is_not_the_consumers() -> None:
    consumer = Consuming()
    run = imports.start("a.jsonl")
    batch = Batch()
    batch.add(Message(None, None, 1, None, value("of the file", seq=4), run))
    process_batch(batch.arrivals, [], comes_again=False)
    consumer.read(*numbered("u", 6), at=0.0)
    assert consumer.look(at=2.0) == 0
    consumer.read(*numbered("u", 2), at=0.0)
    assert consumer.look(at=2.5) == 1
    assert waiting() == ["of the file", "u-6"]
