"""Rows for tests: an event as each part of the pipeline would leave it in the inbox, its lane, and what follows."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import factory
import orjson
from factory.django import DjangoModelFactory

from ingest.models import ApiKey, GameEvent, ProductEvent
from processing.domain.statuses import FINAL, Status
from processing.models import DeadLetter, FailureGroup, InboxEvent, Lane, OperatorAction
from revenue.models import LedgerEntry, UserRevenue


def now() -> datetime:
    """In whole milliseconds, as the pipeline keeps times."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def envelope(
    id: str, *, user_id: str = "u-1", type: str = "page.viewed", family: str | None = None, **payload: Any
) -> bytes:
    """A Kafka value; further keywords are members of the payload."""
    content = {"id": id, "userId": user_id, "type": type, "payload": payload, "timestamp": 1_790_000_000_000}
    return orjson.dumps(content if family is None else {**content, "family": family})


class InboxEventFactory(DjangoModelFactory[InboxEvent]):
    """A processed event without family. Its traits are the other states."""

    class Meta:
        model = InboxEvent

    class Params:
        held = factory.Trait(status=Status.HELD, attempts=0, kept=True)
        retrying = factory.Trait(
            status=Status.RETRYING,
            attempt_limit=4,
            error="ValueError: no",
            next_attempt_at=factory.LazyFunction(now),
            kept=True,
        )
        failed = factory.Trait(status=Status.FAILED, attempts=4, attempt_limit=4, error="ValueError: no", kept=True)
        skipped = factory.Trait(status=Status.SKIPPED, attempts=0, error="seq was passed")
        poison = factory.Trait(
            id=factory.Sequence(lambda n: f"poison-{n:06}"),
            user_id="",
            type="",
            status=Status.FAILED,
            attempts=0,
            error="the message is not valid JSON",
            payload=None,
            occurred_at=None,
            topic="events",
            partition=0,
            offset=factory.Sequence(int),
            raw=b"{ not JSON",
        )
        kept = factory.Trait(
            topic="events",
            partition=0,
            offset=factory.Sequence(int),
            key=factory.LazyAttribute(lambda row: row.user_id.encode()),
            raw=factory.LazyAttribute(
                lambda row: envelope(
                    row.id, user_id=row.user_id, type=row.type, family=row.family or None, **orjson.loads(row.payload)
                )
            ),
        )

    id = factory.Sequence(lambda n: f"event-{n:06}")
    user_id = "u-1"
    type = "page.viewed"
    family = ""
    seq = None
    status = Status.PROCESSED
    attempts = 1
    payload = factory.LazyAttribute(lambda row: orjson.dumps({} if row.seq is None else {"seq": row.seq}).decode())
    occurred_at = datetime(2026, 9, 21, tzinfo=UTC)
    received_at = factory.LazyFunction(now)
    final_at = factory.LazyAttribute(lambda row: now() if row.status in FINAL else None)


class FailureGroupFactory(DjangoModelFactory[FailureGroup]):
    """With one open dead letter."""

    class Meta:
        model = FailureGroup

    reason = DeadLetter.Reason.FAILED
    kind = "shop"
    error_class = "KeyError"
    place = factory.Sequence(lambda n: f"shop.events:{n} in place")
    open = total = 1
    last_seen = factory.LazyFunction(now)


class DeadLetterFactory(DjangoModelFactory[DeadLetter]):
    """A failed event with its letter, published already. `event__…` says more of the event; trait `poison`."""

    class Meta:
        model = DeadLetter

    class Params:
        poison = factory.Trait(
            reason=DeadLetter.Reason.POISON, event=factory.SubFactory(InboxEventFactory, poison=True)
        )

    event = factory.SubFactory(InboxEventFactory, failed=True)
    group = factory.SubFactory(FailureGroupFactory)
    reason = DeadLetter.Reason.FAILED
    queued_at = factory.LazyFunction(now)
    user_id = factory.LazyAttribute(lambda letter: letter.event.user_id)
    type = factory.LazyAttribute(lambda letter: letter.event.type)
    published_at = factory.LazyFunction(now)


class LaneFactory(DjangoModelFactory[Lane]):
    class Meta:
        model = Lane

    user_id = "u-1"
    next_seq = 1
    order_version = 0


class OperatorActionFactory(DjangoModelFactory[OperatorAction]):
    class Meta:
        model = OperatorAction

    event_id = factory.Sequence(lambda n: f"event-{n:06}")
    action = "replay"
    actor = "ada"


class GameEventFactory(DjangoModelFactory[GameEvent]):
    class Meta:
        model = GameEvent

    event_id = factory.Sequence(lambda n: f"game-{n:06}")
    event_type = "move"
    player_id = "p-1"
    game_id = "g-1"
    timestamp = datetime(2026, 9, 21, tzinfo=UTC)
    data = factory.LazyFunction(dict)


class ProductEventFactory(DjangoModelFactory[ProductEvent]):
    """As v1 leaves it; trait `v2`."""

    class Meta:
        model = ProductEvent

    class Params:
        v2 = factory.Trait(
            discount_code="SPRING10",
            discount_amount=Decimal("2.93"),
            tax_amount=Decimal("2.11"),
            shipping_address={"street": "1 Main St", "city": "Ambler", "state": "PA", "zipCode": "1", "country": "USA"},
        )

    event_id = factory.Sequence(lambda n: f"product-{n:06}")
    event_type = "product.purchased"
    timestamp = datetime(2026, 9, 21, tzinfo=UTC)
    user_id = "u-1"
    product_id = "sku-1"
    product_name = "Reading lamp"
    price = Decimal("29.33")


class UserRevenueFactory(DjangoModelFactory[UserRevenue]):
    """A balance alone, without the entries that it counts."""

    class Meta:
        model = UserRevenue

    user_id = "u-1"
    revenue = Decimal("29.33")
    entries = 1


class LedgerEntryFactory(DjangoModelFactory[LedgerEntry]):
    """An entry alone, without the balance that it is in."""

    class Meta:
        model = LedgerEntry

    event_id = factory.Sequence(lambda n: f"revenue-{n:06}")
    user_id = "u-1"
    number = 1
    amount = Decimal("29.33")


class ApiKeyFactory(DjangoModelFactory[ApiKey]):
    class Meta:
        model = ApiKey

    name = factory.Sequence(lambda n: f"client {n}")
    prefix = "ek_test"
    sha256 = factory.Sequence(lambda n: f"{n:064x}")
