"""Consumer and worker answer for themselves, at METRICS_PORT: what keeps them from their work, and nothing else's."""

from __future__ import annotations

import os

import pytest

from eventsite.local.services.process import free_port, port_is_open
from tests.pipeline.log import Record
from tests.pipeline.stack import Stack
from tests.support.factories import envelope
from tests.support.full_redis import fill_up, make_room
from tests.support.health import Health

pytestmark = pytest.mark.pipeline


def test_consumer_and_worker_tell_what_keeps_them_from_their_work(stack: Stack) -> None:
    port = next(port for port in iter(free_port, None) if not port_is_open(port + 1))
    processes = [stack.start(name, METRICS_PORT=str(port)) for name in ("consumer", "worker")]
    consumer, worker = (Health(process) for process in processes)
    for each in (consumer, worker):
        stack.wait_until(each.is_ready, "it is ready")
        assert each.is_served()
        assert "process_cpu_seconds_total" in each.ask("/metrics")[1]
    assert (consumer.port(), worker.port()) == (port, port + 1)
    processes.append(stack.start("consumer", METRICS_PORT=str(port)))
    second = Health(processes[-1])
    stack.wait_until(second.is_ready, "a second one is ready")
    assert second.port() not in (port, port + 1)
    assert "METRICS_PORT is taken" in processes[-1].output()

    stack.produce([Record(b"u", envelope("a", user_id="u"))])
    stack.wait_until_final(1)
    told = 'processing_events_total{kind="no family",outcome="processed"} 1.0'
    assert any(told in each.ask("/metrics")[1] for each in (consumer, second))
    fill_up(stack.redis)
    for each in (consumer, worker):
        assert set(each.failing()) == {"redis"}
    make_room(stack.redis)
    for each in (consumer, worker):
        assert each.failing() == {}
    assert [process.terminate() for process in processes] == [0, 0, 0]


@pytest.mark.skipif(os.environ.get("TEST_KAFKA") == "real", reason="the real Kafka has the protocol: tests/release")
def test_a_cluster_that_says_nothing_of_the_groups_protocol_is_named(stack: Stack) -> None:
    process = stack.start("consumer", METRICS_PORT=str(free_port()), KAFKA_GROUP_PROTOCOL="consumer")
    stack.wait_until(lambda: "KAFKA_GROUP_PROTOCOL=consumer" in process.output(), "the log says it")
    assert "KIP-848" in Health(process).failing()["group"]
