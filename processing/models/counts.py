"""What the pipeline counts of itself."""

from __future__ import annotations

from django.db import models

from processing.models.columns import BYTE_ORDER


class Count(models.Model):
    """How often something came of events of a kind in one minute. The transactions that make it so add to it.

    Each thread that writes has rows of its own, so that none waits for another; after some minutes they become one
    without a writer, after some hours one for ten minutes, after a day one for an hour.
    """

    pk = models.CompositePrimaryKey("minute", "writer", "kind", "what")
    minute = models.DateTimeField()
    writer = models.TextField(db_collation=BYTE_ORDER)
    kind = models.TextField(db_collation=BYTE_ORDER, help_text="as dead letters are grouped; empty: of transactions")
    what = models.TextField(db_collation=BYTE_ORDER)
    number = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index("minute", name="counts_of_writers", condition=~models.Q(writer=""))]

    def __str__(self) -> str:
        return f"{self.number} {self.what} of {self.kind} at {self.minute}"
