"""Replay runs, their events, and what operators changed in events before they were replayed."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from processing.domain.replays import ItemState, Phase
from processing.models.columns import BYTE_ORDER


class ReplayRun(models.Model):
    """Dead letters that are replayed together. Whoever takes the run a step further locks this row; its id is the
    `replay` of its events."""

    id = models.BigIntegerField(primary_key=True)
    choice = models.JSONField(help_text="which open dead letters it takes, of those that failed before it began")
    actor = models.TextField()
    reason = models.TextField(blank=True, db_default="")
    phase = models.TextField(choices=[(each.value, each.value) for each in Phase], db_default=Phase.CHOOSING.value)
    created_at = models.DateTimeField(db_default=Now())
    stepped_at = models.DateTimeField(null=True, help_text="when a process took it a step further")
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.TextField(blank=True, db_default="")
    ended_at = models.DateTimeField(null=True, help_text="when it had nothing to do, and none of its events waited")
    chosen_time = models.DateTimeField(null=True, help_text="how far choosing has come: the last letter's time, and id")
    chosen_id = models.TextField(blank=True, db_default="", db_collation=BYTE_ORDER)
    looked_at = models.BigIntegerField(db_default=0, help_text="the position up to which outcomes were looked for")
    chosen = models.BigIntegerField(db_default=0)
    refused = models.BigIntegerField(db_default=0, help_text="left as they were")
    replayed = models.BigIntegerField(db_default=0)
    succeeded = models.BigIntegerField(db_default=0)
    failed = models.BigIntegerField(db_default=0, help_text="again: they are dead letters anew")
    skipped = models.BigIntegerField(db_default=0, help_text="or known: another event had their place, or their id")
    refusals = models.JSONField(db_default={}, help_text="by reason: how many, and the first ids")

    class Meta:
        default_permissions = ("view",)
        indexes = [models.Index("id", name="replays_not_over", condition=models.Q(ended_at=None))]

    def __str__(self) -> str:
        return f"replay {self.pk}"


class ReplayItem(models.Model):
    """An event of a replay run, and what came of it there. Kept as long as the run."""

    pk = models.CompositePrimaryKey("run_id", "event_id")
    run_id = models.BigIntegerField()
    event_id = models.TextField(db_collation=BYTE_ORDER)
    became = models.TextField(
        blank=True, db_default="", db_collation=BYTE_ORDER, help_text="the event that an unreadable message carried"
    )
    state = models.TextField(choices=[(each.value, each.value) for each in ItemState])
    position = models.IntegerField(null=True, help_text="its place in the run")
    detail = models.TextField(blank=True, db_default="")
    at = models.DateTimeField(null=True, help_text="when it was replayed, or refused")
    # what its place comes from
    user_id = models.TextField(db_collation=BYTE_ORDER)
    seq = models.BigIntegerField(null=True)
    size = models.IntegerField(help_text="of its message, in bytes")
    poison = models.BooleanField()
    received_at = models.DateTimeField()
    topic = models.TextField(blank=True)
    partition = models.IntegerField()
    offset = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["run_id", "state", "position"], name="replay_items_state"),
            models.Index("event_id", name="replay_items_event"),
            models.Index("became", name="replay_items_became", condition=~models.Q(became="")),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} of replay {self.run_id}"


class Edit(models.Model):
    """What an operator changed in a dead letter before it was replayed: its payload, or an unreadable message's bytes.
    `before` of the first one is what came."""

    event_id = models.TextField(db_collation=BYTE_ORDER)
    at = models.DateTimeField(db_default=Now())
    actor = models.TextField()
    reason = models.TextField()
    before = models.BinaryField()
    after = models.BinaryField()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["event_id", "-id"], name="edits_event"),
            models.Index("at", name="edits_time"),
        ]

    def __str__(self) -> str:
        return f"edit of {self.event_id}"
