"""What became of orders."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from ingest.families.columns import MoneyField


class Order(models.Model):
    event_id = models.TextField(unique=True, db_collation="C")
    customer_id = models.TextField(db_collation="C")
    order_id = models.TextField()
    total = MoneyField()
    cancelled = models.BooleanField(default=False)

    objects: ClassVar[models.Manager[Order]] = models.Manager()

    def __str__(self) -> str:
        return self.order_id
