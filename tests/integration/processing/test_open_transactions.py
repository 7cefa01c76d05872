"""Where there is no open transaction, whatever the broker, none is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from django.test import Client

from processing.kafka.clients import producer_config
from processing.kafka.open_transactions import open_transactions
from tests.support.batches import value


def test_what_is_committed_is_no_open_transaction(topics: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.kafka.open_transactions.TIMEOUT_S", 20.0)
    topic = topics("events", partitions=2)
    producer = Producer(producer_config())
    producer.produce(topic, value("a"), partition=1)
    producer.flush(10)
    assert open_transactions([(topic, 0), (topic, 1)]) == []
    assert open_transactions([]) == []


@pytest.mark.django_db
def test_the_metric_is_there_without_any(client: Client) -> None:
    assert "# TYPE processing_open_transaction_seconds gauge" in client.get("/metrics").content.decode()
