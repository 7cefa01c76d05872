"""The open dead letters have an index of their own: the sweep reads it while Redis has no list of them."""

from __future__ import annotations

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the index is made beside writers

    dependencies = [("processing", "0001_initial")]

    operations = [
        AddIndexConcurrently(
            "deadletter",
            models.Index("queued_at", "event", name="dead_letters_open", condition=models.Q(discarded_at=None)),
        ),
    ]
