"""A question to the cluster that breaks off is asked again within its time; what Kafka answers is an answer."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from processing.kafka.clients import AGAIN_AFTER_S, asked_again

TIMEOUT_S = 10 * AGAIN_AFTER_S


class Cluster:
    """Fails with these codes in turn, then answers."""

    def __init__(self, *codes: int) -> None:
        self._codes = list(codes)
        self.given: list[float] = []  # seconds, each time it was asked

    def __call__(self, timeout_s: float) -> str:
        self.given.append(timeout_s)
        if self._codes:
            raise KafkaException(KafkaError(self._codes.pop(0)))
        return "answer"


def test_one_that_breaks_off_is_asked_again_in_what_is_left_of_its_time() -> None:
    cluster = Cluster(KafkaError._TRANSPORT, KafkaError._DESTROY_BROKER)
    assert asked_again(cluster, 1_000.0) == "answer"
    first, second, third = cluster.given
    assert first == 1_000.0
    assert first - AGAIN_AFTER_S >= second >= third + AGAIN_AFTER_S


def test_it_ends_with_what_it_heard_last() -> None:
    cluster = Cluster(*[KafkaError._DESTROY_BROKER] * 100)
    with pytest.raises(KafkaException, match="_DESTROY_BROKER"):
        asked_again(cluster, TIMEOUT_S)
    assert min(cluster.given) > 0


@pytest.mark.parametrize("code", [KafkaError._TIMED_OUT, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._SSL])
def test_what_waiting_would_not_mend_is_told_at_once(code: int) -> None:
    cluster = Cluster(code)
    with pytest.raises(KafkaException):
        asked_again(cluster, 1_000.0)
    assert cluster.given == [1_000.0]
