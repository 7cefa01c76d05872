"""Failures: every failed attempt, its traceback, and the groups that dead letters fall into."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from processing.models.columns import BYTE_ORDER


class FailedAttempt(models.Model):
    """A handler run that raised. It stays when the event is processed later, until retention takes it."""

    event_id = models.TextField(db_collation=BYTE_ORDER)
    attempt = models.IntegerField()
    at = models.DateTimeField()
    process = models.TextField(help_text="which ran it")
    error_class = models.TextField()
    place = models.TextField(help_text="the innermost line of the project's own code")
    message = models.TextField()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index("event_id", "attempt", name="failed_attempts_event"),
            models.Index("at", name="failed_attempts_time"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.attempt} of {self.event_id}"


class Traceback(models.Model):
    """Kept once for each cause and hour, so that a million failures of one cause stay small."""

    pk = models.CompositePrimaryKey("error_class", "place", "hour")
    error_class = models.TextField()
    place = models.TextField()
    hour = models.DateTimeField(db_index=True)
    text = models.TextField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.error_class} in {self.place}"


class FailureGroup(models.Model):
    """Dead letters of one reason, kind and cause: how many are open, and when the first and the last came."""

    reason = models.TextField()
    kind = models.TextField(help_text="a family, one of its declared types, a topic of unreadable messages, or a file")
    error_class = models.TextField()
    place = models.TextField()
    open = models.BigIntegerField(help_text="dead letters that were neither replayed nor discarded")
    total = models.BigIntegerField(help_text="dead letters that there ever were")
    first_seen = models.DateTimeField(db_default=Now())
    last_seen = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, help_text="when the last open one was gone")

    class Meta:
        verbose_name = "group of failures"
        verbose_name_plural = "groups of failures"
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["reason", "kind", "error_class", "place"], name="one_group_a_cause")
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.error_class}" + (f" in {self.place}" if self.place else "")
