"""What revenue events came to: a balance for each user, and a ledger with a row for each event."""

from django.db import models
from django.db.models.functions import Now

from ingest.families.columns import MoneyField


class UserRevenue(models.Model):
    """A user's balance: the sum of the user's ledger entries, and how many these are. It may be below zero.

    No index but the key: one on what changes would make each change of a balance write all indexes anew.
    """

    user_id = models.TextField(primary_key=True, db_collation="C")
    revenue = MoneyField()
    entries = models.BigIntegerField(help_text="the number of the user's last ledger entry")

    class Meta:
        db_table = "users_revenue"
        verbose_name = verbose_name_plural = "revenue of users"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"revenue of {self.user_id}"


class LedgerEntry(models.Model):
    """What one event added to its user's balance (below zero: took from it). A user's entries are numbered 1, 2, 3, …
    as they took effect."""

    event_id = models.TextField(primary_key=True, db_collation="C")
    user_id = models.TextField(db_collation="C")
    number = models.BigIntegerField(help_text="which of the user's entries it is")
    amount = MoneyField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "ledger entries"
        default_permissions = ("view",)
        # the proof, and the admin's pages: a user's entries, read backwards the newest first
        constraints = [models.UniqueConstraint(fields=["user_id", "number"], name="revenue_ledger_user_number_unique")]

    def __str__(self) -> str:
        return f"{self.amount} by {self.event_id}"
