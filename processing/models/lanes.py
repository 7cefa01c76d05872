"""Lanes, and the gaps that they passed."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from processing.models.columns import BYTE_ORDER


class Lane(models.Model):
    """A user's next `seq`. Whoever moves the lane locks this row."""

    class WaitsFor(models.TextChoices):
        NOTHING = "", "nothing"
        GAP = "gap", "a seq that is missing"
        RETRY = "retry", "the retry of its next event"
        KIND = "kind", "its next event's kind, which is set aside"
        TURN = "turn", "its turn: its next event is there"
        PARK = "park", "an operator: it is parked on its next event, which has failed"

    user_id = models.TextField(primary_key=True, db_collation=BYTE_ORDER)
    next_seq = models.BigIntegerField(db_default=1)
    waiting_since = models.DateTimeField(null=True, help_text="when the first of the events that wait here was read")
    waits_for = models.TextField(choices=WaitsFor, db_default="", blank=True)
    order_version = models.BigIntegerField(db_default=0, help_text="raised with each change of the order list")
    moved_at = models.DateTimeField(null=True, help_text="the time of the last outcome that moved it")
    set_back_from = models.BigIntegerField(
        null=True, help_text="an operator set it back: below this seq, final events may lie ahead"
    )

    class Meta:
        default_permissions = ("view",)
        permissions = [("set_lane", "Can set a lane to another seq")]
        indexes = [
            # gap checks read those with a gap only, the longest first
            models.Index(
                "waits_for", "waiting_since", name="lanes_waiting", condition=models.Q(waiting_since__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.user_id


class PassedGap(models.Model):
    """Seqs that did not come in time: their lane went on without them."""

    user_id = models.TextField(db_collation=BYTE_ORDER)
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    waited_ms = models.BigIntegerField(help_text="since the first event behind the gap was read")
    passed_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["user_id", "-id"], name="passed_gaps_user"),
            models.Index("passed_at", name="passed_gaps_time"),
        ]

    def __str__(self) -> str:
        return f"{self.first_seq} to {self.last_seq} of {self.user_id}"
