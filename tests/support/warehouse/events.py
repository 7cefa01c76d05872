"""Parcels: each is weighed, and shipped in the order of its customer; some ask for a label."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from celery import shared_task

from ingest.families.declaration import event_type, on
from processing.domain.effects import after, emit
from processing.domain.envelope import Event
from tests.support.warehouse.models import Call, Receipt

LEASE_S = 5


class ServiceError(Exception):
    """What the other service answered."""


@event_type("parcel.packed", path="warehouse/parcels")
class ParcelPacked(msgspec.Struct):
    number: int
    fails: int = 0  # calls with each of its tokens that fail before one succeeds
    labels: int = 0  # follow-ups
    broken: bool = False  # the handler fails, after it has emitted


@event_type("label.printed", path="warehouse/labels")
class LabelPrinted(msgspec.Struct):
    number: int


@on(ParcelPacked)
def pack(parcels: Sequence[Event[ParcelPacked]]) -> None:
    for parcel in parcels:
        for _ in range(parcel.payload.labels):
            emit(LabelPrinted(number=parcel.payload.number), cause=parcel)
        if parcel.payload.broken:
            raise ValueError("the parcel is broken")


@after(ParcelPacked, lease_s=LEASE_S)
def weigh(parcel: Event[ParcelPacked], token: str) -> None:
    _call(parcel, token, "weigh")


@after(ParcelPacked, ordered=True, lease_s=LEASE_S)
@shared_task
def ship(parcel: Event[ParcelPacked], token: str) -> None:
    _call(parcel, token, "ship")


WEIGH, SHIP = f"{__name__}.weigh", f"{__name__}.ship"


def _call(parcel: Event[ParcelPacked], token: str, task: str) -> None:
    """As a service with idempotency keys does it. It commits apart from the pipeline."""
    Call.objects.create(token=token)
    if parcel.payload.fails and Call.objects.filter(token=token).count() <= parcel.payload.fails:
        raise ServiceError("out of paper")
    Receipt.objects.bulk_create(
        [Receipt(token=token, task=task, user_id=parcel.user_id, number=parcel.payload.number)], ignore_conflicts=True
    )
