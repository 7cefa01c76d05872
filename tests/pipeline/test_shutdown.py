"""SIGTERM: what is in hand is finished, offsets are committed, the group is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventsite.local.services.tansu import Tansu
from eventsite.local.services.valkey import Valkey
from tests.pipeline.load import Sent
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.stack import Stack
from tests.support.frozen import freeze, thaw

pytestmark = pytest.mark.pipeline


def test_what_is_stored_when_a_consumer_was_asked_to_end_is_committed(stack: Stack) -> None:
    sent = [Sent(f"e-{number}", f"user-{number % 80}", number // 80 + 1, "game") for number in range(8_000)]
    places = stack.produce(event.record() for event in sent)
    beat = stack.start("beat")
    worker = stack.start("worker")
    consumer = stack.start("consumer", CONSUMER_BATCH_SIZE="100")
    stack.wait_for_rows(2_000)
    assert consumer.terminate() == 0

    stored = {id for (id,) in stack.sql("SELECT id FROM processing_inboxevent")}
    behind = stack.topic.ends()  # the first offset of each partition that is not stored
    for event, place in zip(sent, places, strict=True):
        if event.id not in stored:
            behind[place.partition] = min(behind[place.partition], place.offset)
    assert {number: max(0, offset) for number, offset in stack.topic.committed().items()} == behind
    assert worker.terminate() == 0
    assert beat.terminate() == 0

    for name in ("consumer", "worker", "beat"):
        stack.start(name)
    settle_and_check(stack, Expected(sent, places))


def test_a_consumer_ends_by_itself_though_its_broker_hangs(database: str, valkey: Valkey, tmp_path: Path) -> None:
    with Tansu(tmp_path / "broker") as broker:
        stack = Stack(tmp_path, database, valkey.address, broker.address)
        assert broker.process is not None
        try:
            stack.produce([Sent("e", "u", 1, "game").record()])
            consumer = stack.start("consumer")
            stack.wait_for_rows(1)
            freeze(broker.process.pid)
            assert consumer.terminate() == 0
            assert "ended without Kafka's leave" in consumer.output()
            assert "did not end in time" not in consumer.output()
        finally:
            thaw(broker.process.pid)
            stack.close()
