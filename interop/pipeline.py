"""The pipeline that they meet: the Procfile's processes on a real Kafka, and what is left in its tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.services import Services
from eventsite.local.services.process import port_is_open
from interop.expected import Stored
from tests.databases import create_database
from tests.pipeline.stack import Stack

SETTINGS = {"RATE_LIMIT_PER_USER": "0"}
# A poison's user is known where its envelope could be read; its key always is.
STORED = """
SELECT coalesce(nullif(inbox.user_id, ''), convert_from(inbox.key, 'UTF8')), inbox.id, inbox.status, inbox.error,
       inbox.payload, floor(extract(epoch FROM inbox.occurred_at) * 1000)::bigint, product.price, product.quantity,
       inbox.seq
FROM processing_inboxevent inbox LEFT JOIN product_events product ON product.event_id = inbox.id"""


@contextmanager
def pipeline(services: Services) -> Iterator[Stack]:
    """Web, consumer and worker, up during the block."""
    database = create_database(services.database, "interop", "template1")
    folder = services.folder / "pipeline"
    folder.mkdir()
    stack = Stack(folder, database, services.redis, services.kafka, **SETTINGS)
    try:
        stack.manage("migrate", "--verbosity", "0")
        for name in ("web", "consumer", "worker"):
            stack.start(name)
        stack.wait_until(lambda: port_is_open(int(stack.environment["WEB_PORT"])), "the web server listens")
        yield stack
    finally:
        stack.close(quiet=True)


def addresses(stack: Stack) -> dict[str, str]:
    """What a program is told."""
    door = f"http://127.0.0.1:{stack.environment['WEB_PORT']}"
    return {"DOOR": door, "KAFKA": stack.kafka, "TOPIC": stack.topic.name}


def stored_events(stack: Stack) -> dict[str, Stored]:
    """What the inbox holds by the name of the event, once all of it is final."""
    stack.topic.learn_ends()
    stack.wait_until_final(0)
    rows: list[tuple[Any, ...]] = stack.sql(STORED)
    return {name: Stored(*values) for name, *values in rows}
