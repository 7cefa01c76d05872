"""A process that is frozen while it sends a batch to Postgres keeps nobody waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection
from redis import Redis

from processing.postgres.inbox import insert_arrivals
from tests.support import flaky  # noqa: F401 - declares the family of `value`
from tests.support.batches import batch_of, statuses, store, value
from tests.support.forwarder import forwarder

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off")]

HALF = 2**20  # bytes, of a batch of about twice as many
WAIT_S = 20.0


@contextmanager
def frozen_half_way(server_url: str, values: list[bytes]) -> Iterator[None]:
    """Somebody has sent half of these events, in a transaction, and sends nothing any more."""
    events = [arrival.event for arrival in batch_of(*values).arrivals]
    port = int(str(psycopg.conninfo.conninfo_to_dict(server_url)["port"]))
    with forwarder(port, HALF) as between:

        def send() -> None:
            at = {"host": "127.0.0.1", "port": between.port, "dbname": connection.settings_dict["NAME"]}
            with psycopg.connect(server_url, **at) as session:
                insert_arrivals(session.cursor(), events, datetime.now(UTC))

        def fails() -> None:
            with pytest.raises(psycopg.OperationalError):
                send()

        thread = threading.Thread(target=fails)
        thread.start()
        assert between.full.wait(WAIT_S)
        yield
    thread.join(WAIT_S)
    assert not thread.is_alive()


@pytest.fixture
def values() -> list[bytes]:
    return [value(f"e-{number}", text="x" * 20_000) for number in range(100)]


def test_others_store_the_same_events_meanwhile(redis: Redis, server_url: str, values: list[bytes]) -> None:
    with frozen_half_way(server_url, values):
        assert store(*values).counts() == {"processed": 100}
    assert set(statuses().values()) == {("processed", 1)}
