"""What operators are told of while it is so."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from processing.models.columns import BYTE_ORDER


class Alert(models.Model):
    """A state that somebody is told of, once when it begins and once when it is over; then the row goes.

    Who sends claims the row; one that dies over it leaves it to another.
    """

    key = models.TextField(primary_key=True, db_collation=BYTE_ORDER)
    text = models.TextField()
    since = models.DateTimeField(db_default=Now())
    over_at = models.DateTimeField(null=True)
    told = models.BooleanField(db_default=False, help_text="that it has begun")
    claimed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.text
