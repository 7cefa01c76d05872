from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Collate


class Migration(migrations.Migration):
    """A search by the beginning of an event's id reads an index, not the table. Made beside readers and writers."""

    atomic = False

    dependencies = [("processing", "0006_traceparent")]

    operations = [
        AddIndexConcurrently(
            "operatoraction", models.Index(Collate("event_id", "C"), name="operator_actions_prefix")
        ),
    ]
