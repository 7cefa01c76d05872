"""What became of product events: one row for each that was processed."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Now

from ingest.families.columns import ExactJSONField, MoneyField

DEFAULT_CURRENCY = "USD"
DEFAULT_QUANTITY = 1


class FixedCharField(models.CharField):  # type: ignore[type-arg]
    """Text of exactly `max_length` characters: Postgres' `char(n)`, where Django's own is `varchar(n)`."""

    def db_type(self, connection: Any) -> str:
        return f"char({self.max_length})"


class ProductEvent(models.Model):
    """A processed product event. `timestamp` is when it happened, by its sender; `created_at` when it was processed.

    The handler only inserts. Who changes a row later does so in SQL, by hand or in a data migration; `updated_at`
    follows by a trigger (migration 0003).
    """

    event_id = models.TextField(db_collation="C")
    event_type = models.TextField()
    timestamp = models.DateTimeField()
    user_id = models.TextField(db_collation="C")
    product_id = models.TextField()
    product_name = models.TextField()
    category = models.TextField(null=True, blank=True)
    price = MoneyField()
    currency = FixedCharField(max_length=3, db_default=DEFAULT_CURRENCY)
    quantity = models.IntegerField(db_default=DEFAULT_QUANTITY)
    metadata = ExactJSONField(db_default=models.Value({}, models.JSONField()))
    unknown_fields = ExactJSONField(null=True, blank=True, help_text="what the sender knew and this code did not")
    # since v2
    discount_code = models.TextField(null=True, blank=True)
    discount_amount = MoneyField(null=True, blank=True)
    tax_amount = MoneyField(null=True, blank=True)
    shipping_address = ExactJSONField(null=True, blank=True)

    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        default_permissions = ("view",)
        db_table = "product_events"
        # a constraint, not unique=True: that would add a second index for LIKE, which the C collation makes useless
        constraints = [models.UniqueConstraint(fields=["event_id"], name="product_events_event_id_unique")]
        indexes = [
            # GET /product-events and the admin: newest first, of all, of one user or of one type
            models.Index(fields=["-timestamp", "-id"], name="product_events_newest"),
            models.Index(fields=["user_id", "-timestamp", "-id"], name="product_events_user_newest"),
            models.Index(fields=["event_type", "-timestamp", "-id"], name="product_events_type_newest"),
            # the metric, the admin's filter, and whoever moves them into columns: few rows as a rule
            models.Index(
                fields=["-timestamp", "-id"],
                name="product_events_unknown",
                condition=models.Q(unknown_fields__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"
