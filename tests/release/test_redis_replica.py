"""A fail-over, a full server, and a user of our own, with Debian's Redis: the embedded one is a Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.pipeline.conftest import stack
from tests.pipeline.test_redis_fail_over import (
    balanced,
    balancer,
    test_a_fail_over_that_closes_no_connection_stops_neither_consumer_nor_worker_nor_beat,
    test_a_full_redis_ends_no_worker_and_retries_go_on_once_there_is_room,
    test_a_user_with_the_documented_rights_can_do_all_that_we_do,
    test_the_door_goes_on_after_a_fail_over_that_closes_no_connection,
)
from tests.release.debian import DebianRedis, needs

__all__ = [
    "balanced",
    "balancer",
    "stack",
    "test_a_fail_over_that_closes_no_connection_stops_neither_consumer_nor_worker_nor_beat",
    "test_a_full_redis_ends_no_worker_and_retries_go_on_once_there_is_room",
    "test_a_user_with_the_documented_rights_can_do_all_that_we_do",
    "test_the_door_goes_on_after_a_fail_over_that_closes_no_connection",
]

pytestmark = [pytest.mark.pipeline, needs("redis-server", "redis-server")]


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[DebianRedis]:
    with DebianRedis(tmp_path / "redis") as service:
        yield service


@pytest.fixture
def replica(tmp_path: Path, valkey: DebianRedis) -> Iterator[DebianRedis]:
    with DebianRedis(tmp_path / "replica") as service:
        with Redis.from_url(service.address) as client:
            client.replicaof("127.0.0.1", str(valkey.port))
        yield service
