"""Product events, v1 and v2 mixed, by every way in; and a database that steps back under them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest

from eventsite.local.services.process import port_is_open
from tests.paths import DATA
from tests.pipeline.log import Record, read_all
from tests.pipeline.processes import Process
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline

FILES = [DATA / "product_events_v1.jsonl", DATA / "product_events_v2.jsonl"]
V1 = ("ingest", "0003_product_events")
STATE = "SELECT id, status, attempts, final_at, version FROM processing_inboxevent ORDER BY id"
ROWS = """SELECT event_id, user_id, price, quantity, metadata, discount_code, discount_amount, tax_amount,
                 shipping_address, unknown_fields FROM product_events ORDER BY event_id"""


def test_both_versions_by_the_door_by_a_plain_client_and_by_a_file(stack: Stack) -> None:
    consumer = stack.start("consumer")
    start_web(stack)
    stack.wait_until(lambda: "got partitions" in consumer.output(), "the consumer has partitions")
    for file in FILES:
        stack.manage("send_events", str(file))
    stack.topic.learn_ends()
    stack.wait_until_final(len(bodies()))
    assert stack.sql(ROWS) == expected_rows()
    before = stack.sql(STATE)
    stack.products.produce(Record(None, line) for line in mixed_lines())
    stack.wait_until_final(len(bodies()))
    stack.manage("process_events", str(FILES[1]))
    assert stack.sql(STATE) == before
    assert stack.sql(ROWS) == expected_rows()


def test_both_versions_from_the_topic_alone_without_a_key(stack: Stack) -> None:
    stack.products.produce(Record(None, line) for line in mixed_lines())
    stack.start("consumer")
    stack.wait_until_final(len(bodies()))
    assert stack.sql("SELECT status, attempts, count(*) FROM processing_inboxevent GROUP BY 1, 2") == [
        ("processed", 1, len(bodies()))
    ]
    assert stack.sql(ROWS) == expected_rows()
    assert stack.value("SELECT sum(price) FROM product_events") == sum(Decimal(str(body["price"])) for body in bodies())


def test_a_step_back_to_v1_under_producers_of_both_loses_nothing(stack: Stack) -> None:
    consumer = stack.start("consumer")
    producers = [start_producer(stack, version) for version in ("v1", "v2")]
    stack.wait_until(lambda: stack.count("product_events") > 20, "product events come in")
    stack.manage("migrate", *V1)
    stack.wait_until(lambda: "ingest.0004_product_events_v2" in consumer.output(), "it names the migration")
    stood = len(read_all(stack.kafka, stack.products.name))
    stack.wait_until(lambda: len(read_all(stack.kafka, stack.products.name)) > stood + 20, "more wait on the topic")
    stack.manage("migrate", "--verbosity", "0")
    for producer in producers:
        assert producer.terminate() == 0
    stack.products.learn_ends()
    sent = [orjson.loads(message.value() or b"") for message in read_all(stack.kafka, stack.products.name)]
    stack.wait_until_final(len(sent))
    assert stack.sql("SELECT status, count(*) FROM processing_inboxevent GROUP BY 1") == [("processed", len(sent))]
    stored = stack.sql("SELECT event_id, price FROM product_events ORDER BY 1")
    assert stored == sorted((body["eventId"], Decimal(str(body["price"]))) for body in sent)


def start_web(stack: Stack) -> None:
    stack.start("web")
    port = int(stack.environment["WEB_PORT"])
    stack.wait_until(lambda: port_is_open(port), "the web server listens")


def start_producer(stack: Stack, version: str) -> Process:
    return stack.run(f"python manage.py produce_product_events --schema {version} --interval 0.02")


def mixed_lines() -> Iterator[bytes]:
    """The lines of both files, in turns, as two producers would write them."""
    for pair in zip(*(file.read_bytes().splitlines() for file in FILES), strict=False):
        yield from pair
    shorter = min(len(file.read_bytes().splitlines()) for file in FILES)
    for file in FILES:
        yield from file.read_bytes().splitlines()[shorter:]


def bodies() -> list[dict[str, Any]]:
    return [orjson.loads(line) for file in FILES for line in file.read_bytes().splitlines()]


def expected_rows() -> list[tuple[Any, ...]]:
    return sorted(
        (
            body["eventId"],
            body["userId"],
            money(body["price"]),
            body["quantity"],
            body["metadata"],
            body.get("discountCode"),
            money(body.get("discountAmount")),
            money(body.get("taxAmount")),
            body.get("shippingAddress"),
            None,
        )
        for body in bodies()
    )


def money(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))
