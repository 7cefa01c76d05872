from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # an index is built beside writers, in no transaction

    dependencies = [("ingest", "0001_game_events_and_api_keys")]

    operations = [
        # an index that a crash left half built would be in the way of the next try
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS game_events_type_newest", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="gameevent",
            index=models.Index(fields=["event_type", "-timestamp", "-id"], name="game_events_type_newest"),
        ),
    ]
