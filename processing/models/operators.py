"""What operators did."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Collate, Now

from processing.models.columns import BYTE_ORDER


class OperatorAction(models.Model):
    """Who did what to which event, or to whose lane (then without `event_id`), and when."""

    event_id = models.TextField(blank=True, db_index=True)
    user_id = models.TextField(blank=True, db_default="", db_collation=BYTE_ORDER)
    action = models.TextField()
    actor = models.TextField()
    detail = models.TextField(blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["user_id", "-id"], name="operator_actions_lane", condition=~models.Q(user_id="")),
            models.Index(Collate("event_id", BYTE_ORDER), name="operator_actions_prefix"),  # searched by its beginning
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.event_id or self.user_id} by {self.actor}"
