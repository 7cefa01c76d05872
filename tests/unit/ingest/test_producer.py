"""One thread publishes, another polls: each may find that the producer cannot go on."""

from __future__ import annotations

from confluent_kafka import Producer

from ingest.publishing.producer import EventProducer

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}


def test_a_poll_that_fails_after_the_other_thread_replaced_its_producer_leaves_the_new_one() -> None:
    producer = EventProducer()
    old, new = Producer(NOWHERE), Producer(NOWHERE)
    producer._producer = old
    producer._retire(old)
    producer._producer = new
    producer.replace("it cannot go on")  # as an error of its poll
    producer._poll(old, 0)
    assert producer._producer is new
    assert [each for _, each in producer._retired] == [old]
