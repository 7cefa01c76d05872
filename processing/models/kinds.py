"""Kinds of event that are set aside."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from processing.domain.kinds import KindState
from processing.models.columns import BYTE_ORDER


class Kind(models.Model):
    """A kind of event that is not open: a family, one of its types, or a topic (see `domain.kinds`).

    Whoever stores or runs events reads this table with a lock, so that no kind is opened meanwhile.
    """

    name = models.TextField(primary_key=True, db_collation=BYTE_ORDER)
    state = models.TextField(choices=[(state.value, state.value) for state in KindState])
    since = models.DateTimeField(db_default=Now(), help_text="in this state")
    reason = models.TextField(help_text="why it was stopped or paused")
    actor = models.TextField(help_text="who did it")
    error_class = models.TextField(db_default="", blank=True)
    error_place = models.TextField(db_default="", blank=True)
    probes = models.IntegerField(db_default=0)
    next_probe_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "kind set aside"
        verbose_name_plural = "kinds set aside"
        default_permissions = ("view",)
        permissions = [("pause_kind", "Can pause and resume kinds of event")]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"
