"""The schema of product events: there and back, with rows in the table and others at work on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from ingest.families.product_events.models import ProductEvent
from processing.models import InboxEvent
from processing.postgres import errors
from processing.postgres.errors import is_transient
from processing.postgres.schema import lacks_migrations, missing_migrations
from tests.integration.ingest.test_product_events import ADDRESS, V1, V2, consume
from tests.paths import ROOT
from tests.support.factories import ProductEventFactory
from tests.support.product_schema import (
    BACK,
    FORTH,
    INSERT_V1,
    MONEY_MIGRATION,
    V1_COLUMNS,
    V2_COLUMNS,
    V2_MIGRATION,
    columns,
    migrate,
    migrate_and_close,
    query,
)

pytestmark = pytest.mark.django_db(transaction=True)

EVERYTHING = """SELECT event_id, discount_code, discount_amount, tax_amount,
                       shipping_address::text, unknown_fields::text
                FROM product_events ORDER BY id"""
DOCUMENT = ROOT / "docs" / "schema-evolution.md"


@pytest.fixture(autouse=True)
def _forward_again() -> Iterator[None]:
    yield
    if missing_migrations():
        migrate()


def test_v1_is_one_migration_and_v2_the_next() -> None:
    migrate(BACK)
    assert columns() == V1_COLUMNS
    migrate(V2_MIGRATION)
    assert columns() == V1_COLUMNS + V2_COLUMNS


def test_money_loses_its_scale_without_a_row_written_anew() -> None:
    migrate(V2_MIGRATION)
    query(INSERT_V1.replace("%s", "'old'") + " RETURNING id")
    files = query("SELECT pg_relation_filenode('product_events')")
    migrate(FORTH)
    assert query("SELECT pg_relation_filenode('product_events')") == files
    kinds = {name: kind for name, kind, *_ in columns()}
    assert {kinds[name] for name in ("price", "discount_amount", "tax_amount")} == {"numeric"}
    assert query("SELECT price::text FROM product_events") == [("1.00",)]


def test_going_back_cuts_what_has_more_than_two_decimals_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    consume(
        orjson.dumps(V1 | {"eventId": "kuwait", "currency": "KWD", "price": "1.239"}),
        orjson.dumps(V2 | {"eventId": "chile", "currency": "CLF", "price": 2, "taxAmount": "0.1299"}),
        orjson.dumps(V1 | {"eventId": "usual"}),
    )
    migrate(MONEY_MIGRATION)
    capsys.readouterr()
    migrate(V2_MIGRATION)
    assert capsys.readouterr().out.split("\n") == [
        "",
        "    cutting product_events.price: 1 values to 2 decimals",
        "    cutting product_events.tax_amount: 1 values to 2 decimals",
        "",
    ]
    assert query("SELECT event_id, price::text, tax_amount::text FROM product_events ORDER BY 1") == [
        ("chile", "2.00", "0.12"),
        ("kuwait", "1.23", None),
        ("usual", "29.33", None),
    ]


def test_the_id_counts_by_itself_and_the_event_id_is_there_once_in_byte_order() -> None:
    assert query(
        """SELECT column_name, is_identity, collation_name FROM information_schema.columns
           WHERE table_name = 'product_events' AND column_name IN ('id', 'event_id') ORDER BY 1"""
    ) == [("event_id", "NO", "C"), ("id", "YES", None)]
    indexes = dict(query("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'product_events'"))
    assert "UNIQUE" in indexes["product_events_event_id_unique"]
    assert len(indexes) == 6  # primary key, the constraint, and the four of the model


def test_rows_of_v1_are_there_in_v2_with_nothing_in_the_new_columns() -> None:
    migrate(BACK)
    query(INSERT_V1.replace("%s", "'old'") + " RETURNING id")
    migrate(FORTH)
    row = ProductEvent.objects.get()
    assert (row.event_id, row.discount_code, row.discount_amount, row.tax_amount) == ("old", None, None, None)
    assert row.shipping_address is None


def test_going_back_says_what_it_drops_and_keeps_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    ProductEventFactory.create_batch(2, v2=True)
    ProductEventFactory.create(discount_code="ONLY")
    before = query("SELECT event_id, price, currency, metadata, updated_at FROM product_events ORDER BY id")
    migrate(MONEY_MIGRATION)
    capsys.readouterr()
    migrate(BACK)
    assert capsys.readouterr().out.split("\n") == [
        "",
        "    dropping product_events.discount_code: 3 values",
        "    dropping product_events.discount_amount: 2 values",
        "    dropping product_events.tax_amount: 2 values",
        "    dropping product_events.shipping_address: 2 values",
        "",
    ]
    assert query("SELECT event_id, price, currency, metadata, updated_at FROM product_events ORDER BY id") == before
    assert columns() == V1_COLUMNS


def test_a_list_says_that_a_column_is_missing(client: Client) -> None:
    migrate(BACK)
    response = client.get("/product-events")
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert response.json()["error"] == "Postgres cannot be used: a table or column is missing, see /health/ready"
    migrate(FORTH)
    assert client.get("/product-events").status_code == 200


def test_all_the_way_back_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    ProductEventFactory.create()
    migrate("0002")
    assert "dropping product_events: 1 rows" in capsys.readouterr().out
    assert query("SELECT to_regclass('product_events'), to_regproc('product_events_touch')") == [(None, None)]


def test_the_step_back_is_recorded_in_the_transaction_that_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = MigrationRecorder.record_unapplied
    calls: list[str] = []

    def killed_at_the_second(self: Any, app: str, name: str) -> None:
        calls.append(name)
        if len(calls) == 2:
            raise SystemExit("killed")
        recorded(self, app, name)

    migrate(V2_MIGRATION)
    monkeypatch.setattr(MigrationRecorder, "record_unapplied", killed_at_the_second)
    with pytest.raises(SystemExit):
        migrate(BACK)
    assert columns() == V1_COLUMNS
    assert missing_migrations() == [
        "ingest.0004_product_events_v2",
        "ingest.0005_money_without_scale",
        "ingest.0006_api_key_rights",
    ]


def test_events_wait_for_the_migration_and_none_is_blamed() -> None:
    migrate(BACK)
    with pytest.raises(Exception, match="discount_code") as caught:
        consume(orjson.dumps(V2))
    assert is_transient(caught.value)
    assert not InboxEvent.objects.exists()
    migrate(FORTH)
    consume(orjson.dumps(V2))
    assert ProductEvent.objects.get().discount_code == "SPRING10"


def test_no_event_is_blamed_when_the_migration_comes_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def late() -> bool:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(migrate_and_close, FORTH).result()
        return lacks_migrations()

    migrate(BACK)
    monkeypatch.setattr(errors, "lacks_migrations_soon", late)
    consume(orjson.dumps(V2))
    event = InboxEvent.objects.get()
    assert (event.status, event.attempts) == ("processed", 1)


class TestTheDocumentsStatements:
    """docs/schema-evolution.md has them to be run as they stand."""

    def test_what_a_step_back_dropped_is_refilled_from_the_inbox(self) -> None:
        consume(
            orjson.dumps(V2 | {"shippingAddress": ADDRESS | {"floor": 3}}),
            orjson.dumps(V2 | {"eventId": "e-2", "shippingAddress": None, "taxAmount": None, "giftWrap": True}),
            orjson.dumps(V1 | {"eventId": "e-3"}),
        )
        before = query(EVERYTHING)
        migrate(BACK)
        migrate(FORTH)
        assert query(EVERYTHING) != before
        refill = statement("shipping_address = CASE")
        assert [run(refill), run(refill)] == [2, 0]
        assert query(EVERYTHING) == before

    def test_what_was_kept_moves_into_the_column_that_learns_it(self) -> None:
        consume(*(orjson.dumps(V1 | {"eventId": f"e-{wrap}", "giftWrap": wrap}) for wrap in (True, False, "red")))
        ProductEventFactory.create(event_id="more", unknown_fields={"giftWrap": True, "ribbon": "red"})
        ProductEventFactory.create(event_id="nothing")
        run("ALTER TABLE product_events ADD gift_wrap boolean")
        try:
            assert run(statement("SET gift_wrap")) == 3
            assert query("SELECT event_id, gift_wrap, unknown_fields::text FROM product_events ORDER BY id") == [
                ("e-True", True, None),
                ("e-False", False, None),
                ("e-red", None, '{"giftWrap": "red"}'),
                ("more", True, '{"ribbon": "red"}'),
                ("nothing", None, None),
            ]
        finally:
            run("ALTER TABLE product_events DROP gift_wrap")


def statement(words: str) -> str:
    """The one that has these words."""
    (found,) = [each for each in re.findall(r"UPDATE .*?(?:;|\"\"\")", DOCUMENT.read_text(), re.S) if words in each]
    return str(found).rstrip('";')


def run(sql: str) -> int:
    """How many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.rowcount)
