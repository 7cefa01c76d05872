"""The log as it was read: how far, what was added to it, what it lost."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from processing.domain.log_positions import Why
from processing.models.columns import BYTE_ORDER


class AddedPartition(models.Model):
    """A partition as a consumer first saw it. One that came with its topic counts as reached."""

    pk = models.CompositePrimaryKey("topic", "partition")
    topic = models.TextField()
    partition = models.IntegerField()
    first_end = models.BigIntegerField(help_text="where it ended then; 0 for one that came with its topic")
    seen_at = models.DateTimeField(db_default=Now())
    reached_at = models.DateTimeField(null=True, help_text="when it had been read to there, or was no more")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.topic}, partition {self.partition}"


class PartitionPosition(models.Model):
    """How far a partition of the log is in Postgres. Each batch's transaction moves it; it belongs to no group."""

    topic = models.TextField(db_collation=BYTE_ORDER)
    partition = models.IntegerField()
    topic_id = models.TextField(blank=True, help_text="of the log that was read; empty where the broker has none")
    generation = models.IntegerField(db_default=1, help_text="raised when the log is another one, or was cut")
    next_offset = models.BigIntegerField(help_text="everything before it is in the inbox, or recorded as lost")
    end_offset = models.BigIntegerField(help_text="the highest end of the log that was seen")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["topic", "partition"], name="one_position_a_partition")]

    def __str__(self) -> str:
        return f"{self.topic}, partition {self.partition}: {self.next_offset}"


class Loss(models.Model):
    """Messages that the log no longer had when they were to be read. Operators are told until one acknowledges it."""

    topic = models.TextField(db_collation=BYTE_ORDER)
    partition = models.IntegerField()
    topic_id = models.TextField(blank=True, help_text="of the log that lost them; empty where the broker has none")
    first_offset = models.BigIntegerField()
    last_offset = models.BigIntegerField(null=True, help_text="none: how far they reached was never seen")
    why = models.TextField(choices=[(why.value, why.label) for why in Why])
    found_at = models.DateTimeField(db_default=Now())
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.TextField(blank=True, db_default="")

    class Meta:
        verbose_name_plural = "losses"
        default_permissions = ("view",)
        permissions = [("acknowledge_loss", "Can acknowledge losses")]
        indexes = [
            models.Index("topic", "partition", name="losses_place"),
            models.Index("found_at", name="losses_open", condition=models.Q(acknowledged_at=None)),
        ]

    def __str__(self) -> str:
        return f"loss {self.pk}"
