"""What became of the tasks of parcels."""

from __future__ import annotations

from processing.models import Effect
from tests.support.warehouse.models import Receipt

LATER_S = 3_600  # whatever was put off is due by then


def states() -> list[tuple[str, str, int]]:
    return list(Effect.objects.order_by("id").values_list("event_id", "status", "attempts"))


def shipped() -> list[tuple[str, int]]:
    return list(Receipt.objects.filter(task="ship").order_by("id").values_list("user_id", "number"))
