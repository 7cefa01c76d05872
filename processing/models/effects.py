"""Effects outside the database, which follow the commit of their event."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from processing.domain.effects import FOLLOW_UP, EffectStatus
from processing.models.columns import BYTE_ORDER

WAITING = models.Q(status=EffectStatus.WAITING)
A_TASK = ~models.Q(name=FOLLOW_UP)


class Effect(models.Model):
    """A task that runs, or an event that goes to Kafka, once its event is committed. The row is written by the
    transaction of that event; whoever does it claims it by making it due later."""

    token = models.TextField(unique=True, db_collation=BYTE_ORDER, help_text="of a follow-up: its event's id")
    name = models.TextField(help_text="the task's; 'emit': a follow-up")
    event_id = models.TextField(db_collation=BYTE_ORDER)
    user_id = models.TextField(db_collation=BYTE_ORDER)
    ordered = models.BooleanField()
    lease_s = models.IntegerField()
    value = models.BinaryField(null=True, help_text="a follow-up's, for Kafka")
    status = models.TextField(
        choices=[(status.value, status.value) for status in EffectStatus], db_default=EffectStatus.WAITING
    )
    attempts = models.IntegerField(db_default=0)
    attempt_limit = models.IntegerField(null=True, help_text="after this many attempts it is failed")
    claims = models.IntegerField(db_default=0, help_text="raised by each; tells a late one from the last")
    error = models.TextField(db_default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index("event_id", name="effects_of_event"),
            # what is due, of either sort
            models.Index("due_at", "id", name="effects_due_tasks", condition=WAITING & A_TASK),
            models.Index("due_at", "id", name="effects_due_follow_ups", condition=WAITING & ~A_TASK),
            # whether an earlier one of a user waits
            models.Index("name", "user_id", "id", name="effects_ordered", condition=WAITING & models.Q(ordered=True)),
            # lists and counts by state, and retention
            models.Index("status", "id", name="effects_not_done", condition=~models.Q(status=EffectStatus.DONE)),
            models.Index("ended_at", name="effects_ended", condition=~WAITING),
        ]

    def __str__(self) -> str:
        return f"{self.name} after {self.event_id}"
