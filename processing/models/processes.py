"""The processes that run, or ran: each says every few seconds that it goes on."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Process(models.Model):
    """A web, consumer, worker or beat process, or a run of `process_events`. One that neither ended in order nor says
    that it goes on is silent."""

    role = models.TextField()
    host = models.TextField()
    pid = models.IntegerField()
    version = models.TextField()
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    rate = models.FloatField(db_default=0.0, help_text="events a second, since the heartbeat before the last")
    partitions = models.JSONField(help_text="a consumer's: how far behind, in messages and seconds")
    error_class = models.TextField(blank=True, db_default="")
    error_place = models.TextField(blank=True, db_default="")
    error_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "processes"
        default_permissions = ("view",)
        indexes = [models.Index("heartbeat_at", name="processes_heartbeat")]

    def __str__(self) -> str:
        return f"{self.role} on {self.host}, process {self.pid}"


class PipelineState(models.Model):
    """The one row (id 1) that says how much waits where. One process at a time counts, every few seconds, for all who
    show it: what is counted may be large."""

    id = models.IntegerField(primary_key=True)
    counted_at = models.DateTimeField()
    numbers = models.JSONField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"as of {self.counted_at}"
