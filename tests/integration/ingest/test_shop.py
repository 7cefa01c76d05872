"""A team's own app (`tests/shop`): declared in the short form, from POST by Kafka's value to a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import orjson
import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from ingest.families.declaration import event_kinds, event_type, on
from ingest.parsing.candidate import Candidate, Context, Refused
from ingest.parsing.events import parse_one
from ingest.parsing.forms import parse_form
from processing.consumer.batch import Batch
from processing.domain import families as registry
from processing.domain.envelope import Event
from processing.domain.families import get_family
from processing.domain.messages import Arrival, Message, read_message
from processing.engine.process_batch import process_batch
from processing.models import InboxEvent
from tests.support.shop.events import OrderCancelled, OrderPlaced, place
from tests.support.shop.models import Order

CONTEXT = Context(caller="anonymous", now=1_790_000_000_000, max_bytes=10_000)
ORDER = {"eventId": "o-1", "customerId": "c-1", "orderId": "A 7", "total": "19.90", "seq": 1}
KINDS = {kind.schema: kind for kind in event_kinds()}


def parse(schema: type[msgspec.Struct], **members: Any) -> Candidate | Refused:
    return parse_form(KINDS[schema], orjson.dumps(members), None, CONTEXT)


def value(schema: type[msgspec.Struct], **members: Any) -> bytes:
    made = parse(schema, **members)
    assert isinstance(made, Candidate), made
    return made.value


def refusal(made: Candidate | Refused) -> str:
    assert isinstance(made, Refused)
    return str(made.error)


def consume(*values: bytes) -> None:
    batch = Batch()
    for offset, each in enumerate(values):
        batch.add(Message("events", 0, offset, None, each))
    assert not batch.poisons
    process_batch(batch.arrivals, batch.poisons)


class TestFromTheBodyToTheRow:
    def test_a_body_becomes_the_envelope(self) -> None:
        envelope = orjson.loads(value(OrderPlaced, **ORDER))
        assert envelope == {
            "id": "o-1",
            "userId": "c-1",
            "type": "order.placed",
            "payload": {"orderId": "A 7", "total": "19.90", "seq": 1},
            "timestamp": CONTEXT.now,
            "family": "shop",
        }

    def test_a_user_that_the_struct_names_stays_in_the_payload(self) -> None:
        envelope = orjson.loads(value(OrderCancelled, customerId="c-1", orderId="A 7"))
        assert (envelope["userId"], envelope["payload"]) == ("c-1", {"orderId": "A 7", "customerId": "c-1"})

    def test_the_schema_is_that_of_the_type(self) -> None:
        arrival = read_message(Message("events", 0, 0, None, value(OrderPlaced, **ORDER)))
        assert isinstance(arrival, Arrival)
        assert isinstance(arrival.event.payload, OrderPlaced)

    def test_a_type_without_family_belongs_to_its_owner(self) -> None:
        made = parse_one(b'{"userId": "c", "type": "order.placed", "payload": {"orderId": "x"}}', None, CONTEXT)
        assert isinstance(made, Refused)
        assert str(made.error) == "payload.total: is missing"

    def test_a_type_that_nobody_declared_is_refused_by_name(self) -> None:
        made = parse_one(b'{"userId": "c", "type": "order.lost", "family": "shop"}', None, CONTEXT)
        assert refusal(made) == "type: must be one of cart.viewed, order.cancelled, order.placed"

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"customerId": None}, "customerId: is missing"),
            ({"customerId": " "}, "customerId: is blank"),
            ({"total": "1.999"}, "total: must have at most 2 decimal places"),
            ({"type": "order.placed"}, "type: is not a known member"),
            ({"eventType": "order.placed"}, "eventType: is not a known member"),
            ({"userId": "c-1"}, "userId: is not a known member"),
            ({"seq": 0}, "seq: must be an integer from 1 to 9007199254740991"),
        ],
    )
    def test_what_is_wrong_is_named_as_the_body_names_it(self, change: dict[str, Any], error: str) -> None:
        made = parse(OrderPlaced, **(ORDER | change))
        assert refusal(made) == error
        assert isinstance(made, Refused) and made.type == "order.placed"

    @pytest.mark.django_db(transaction=True)
    def test_events_of_several_types_reach_their_handlers_in_the_users_order(self, client: Client) -> None:
        consume(
            value(OrderPlaced, **ORDER),
            value(OrderCancelled, eventId="o-2", customerId="c-1", orderId="A 7", seq=2),
            value(OrderPlaced, **{**ORDER, "eventId": "o-3", "orderId": "A 8", "seq": 3}),
            orjson.dumps(
                {
                    "id": "o-4",
                    "userId": "c",
                    "type": "cart.viewed",
                    "payload": {"items": 1},
                    "timestamp": 1_790_000_000_000,
                }
            ),
        )
        rows = Order.objects.order_by("order_id").values_list("order_id", "total", "cancelled")
        assert list(rows) == [("A 7", Decimal("19.90"), True), ("A 8", Decimal("19.90"), False)]
        assert set(InboxEvent.objects.values_list("family", "status")) == {("shop", "processed")}
        listed = client.get("/shop/order.placed?customerId=c-1").json()["events"]
        assert [(each["eventId"], each["orderId"], each["processing"]["status"]) for each in listed] == [
            ("o-3", "A 8", "processed"),
            ("o-1", "A 7", "processed"),
        ]
        assert client.get("/shop/carts?status=processed").json()["events"][0]["items"] == 1


@pytest.mark.usefixtures("door")
def test_it_is_posted_at_its_own_address(client: Client) -> None:
    answer = client.post("/shop/order.placed", orjson.dumps(ORDER), "application/json")
    assert (answer.status_code, answer.json()) == (202, {"eventId": "o-1", "status": "accepted"})
    bad = client.post("/shop/order.placed", orjson.dumps({**ORDER, "total": -1}), "application/json")
    assert (bad.status_code, bad.json()["error"]) == (400, "total: must be from 0 to below 10^13")


def test_the_schema_documents_it(client: Client) -> None:
    paths = client.get("/schema", headers={"Accept": "application/json"}).json()["paths"]
    one = paths["/shop/order.placed"]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0]
    assert one["required"] == ["customerId", "orderId", "total"]
    assert one["properties"].keys() == {"customerId", "eventId", "timestamp", "seq", "orderId", "total"}


class TestDeclarationsThatCannotBe:
    @pytest.fixture(autouse=True)
    def _undone(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(registry, "_kinds", {name: dict(own) for name, own in registry._kinds.items()})
        monkeypatch.setattr(registry, "_owners", dict(registry._owners))
        yield

    def declare(self, name: str, fields: list[Any], **options: Any) -> type[msgspec.Struct]:
        return event_type(name, **options)(msgspec.defstruct("Thing", fields, module=__name__))

    def test_the_family_is_named_where_no_app_has_the_module(self) -> None:
        with pytest.raises(ValueError, match=r"is in no installed app: add it to INSTALLED_APPS, or name the family"):
            self.declare("thing", [])
        self.declare("thing", [], family="things")
        assert get_family("things").types == {"thing"}

    @pytest.mark.parametrize(
        ("name", "fields", "options", "error"),
        [
            ("order.placed", [], {"family": "shop", "path": "x"}, "'order.placed' of family 'shop' is declared twice"),
            ("add_revenue", [], {"family": "shop"}, "'add_revenue' belongs to 'revenue', 'shop' cannot own it too"),
            ("x", [], {"family": "game"}, "'game' is declared twice; kinds that share one need types of their own"),
            ("x", [], {"family": "no-name"}, "'no-name': the name must be an identifier"),
            ("", [], {"family": "f"}, "must have 1 to 100 characters and not be blank"),
            ("a b", [], {"family": "f"}, "no address can be 'f/a b'; name one, such as path='shop/orders'"),
            ("x", [], {"family": "f", "path": "shop/carts"}, "/shop/carts is shop/cart.viewed's already"),
            ("x", [("who", int)], {"family": "f", "user": "who"}, r"Thing\.who names the user, so make it a required"),
            ("x", [("seq", int)], {"family": "f"}, "take seq out of Thing; every event has them"),
            ("x", [("processing", int)], {"family": "f"}, "give 'processing' of Thing another name"),
            ("x", [("z", complex)], {"family": "f"}, "event type 'x': "),
        ],
    )
    def test_each_says_in_one_line_what_to_do(
        self, name: str, fields: list[Any], options: dict[str, Any], error: str
    ) -> None:
        with pytest.raises(ValueError, match=error) as caught:
            self.declare(name, fields, **options)
        assert "\n" not in str(caught.value)

    def test_a_struct_is_of_one_type_so_that_no_type_goes_without_the_handler_that_names_it(self) -> None:
        with pytest.raises(ValueError, match=r"'order.moved': OrderPlaced is shop/order.placed's already; give each"):
            event_type("order.moved", user="customerId")(OrderPlaced)

    def test_a_handler_is_of_an_event_type_and_the_only_one(self) -> None:
        def handle(events: Sequence[Event[Any]]) -> None: ...

        with pytest.raises(ValueError, match=r"@on\(Shot\): this is no event type; put @event_type"):
            on(msgspec.defstruct("Shot", []))
        with pytest.raises(ValueError, match=r"@on\(OrderPlaced\): place handles it already"):
            on(OrderPlaced)(handle)
        assert KINDS[OrderPlaced].handler is place

    def test_an_error_in_an_apps_declarations_names_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(name: str) -> None:
            raise ValueError("event family 'x' is declared twice")

        monkeypatch.setattr("processing.apps.import_module", fail)
        with pytest.raises(ImproperlyConfigured, match=r"^ingest\.events: event family 'x' is declared twice$"):
            apps.get_app_config("processing").ready()
