"""What the cluster does not answer is told with its cause, whichever question it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eventsite.local.services.tansu import Tansu
from processing.kafka.clients import ensure_topics
from processing.kafka.cluster import group_has_members, max_message_bytes, topic_states
from processing.kafka.troubles import KafkaTrouble

TIMEOUT_S = 3.0


@pytest.fixture
def broker(tmp_path: Path, settings: Any) -> Iterator[Tansu]:
    with Tansu(tmp_path / "broker") as service:
        settings.KAFKA_CLIENT_CONFIG = {"bootstrap.servers": service.address}
        ensure_topics(["events"])
        yield service


def why_not(ask: Callable[[], object]) -> str:
    with pytest.raises(KafkaTrouble) as caught:
        ask()
    return str(caught.value)


def test_no_answer_of_the_group_is_not_taken_for_one(broker: Tansu) -> None:
    assert group_has_members("nobody", TIMEOUT_S) is None
    broker.stop()
    for _ in range(2):  # what one of them hears is not forgotten by another
        assert "Connection refused" in why_not(lambda: topic_states(["events"], TIMEOUT_S))
        assert "Connection refused" in why_not(lambda: group_has_members("nobody", TIMEOUT_S))
        assert "Connection refused" in why_not(lambda: max_message_bytes("events", TIMEOUT_S))
