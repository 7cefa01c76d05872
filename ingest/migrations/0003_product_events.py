import django.db.models.functions.datetime
from django.db import migrations, models

import ingest.families.product_events.models
from processing.postgres.migration_steps import lock_tables, record_unapplied, tell_dropped_table

TOUCH = """
CREATE FUNCTION product_events_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = now();
    RETURN NEW;
END $$;
CREATE TRIGGER product_events_touch BEFORE UPDATE ON product_events
    FOR EACH ROW EXECUTE FUNCTION product_events_touch();
"""
NO_TOUCH = """
DROP TRIGGER product_events_touch ON product_events;
DROP FUNCTION product_events_touch();
"""


def before_going_back(apps, editor):
    tell_dropped_table(editor.connection, "product_events")
    lock_tables(editor.connection, "product_events")
    record_unapplied(editor.connection, __name__)


class Migration(migrations.Migration):
    """Product events, v1."""

    dependencies = [("ingest", "0002_game_events")]

    operations = [
        migrations.CreateModel(
            name="ProductEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", models.TextField(db_collation="C")),
                ("event_type", models.TextField()),
                ("timestamp", models.DateTimeField()),
                ("user_id", models.TextField(db_collation="C")),
                ("product_id", models.TextField()),
                ("product_name", models.TextField()),
                ("category", models.TextField(blank=True, null=True)),
                ("price", models.DecimalField(decimal_places=2, max_digits=15)),
                ("currency", ingest.families.product_events.models.FixedCharField(db_default="USD", max_length=3)),
                ("quantity", models.IntegerField(db_default=1)),
                ("metadata", models.JSONField(db_default=models.Value({}, models.JSONField()))),
                (
                    "unknown_fields",
                    models.JSONField(blank=True, help_text="what the sender knew and this code did not", null=True),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
            options={
                "db_table": "product_events",
                "constraints": [models.UniqueConstraint(fields=("event_id",), name="product_events_event_id_unique")],
            },
        ),
        # not among the options above: Django would make them after the transaction has been recorded as done
        migrations.AddIndex(
            model_name="productevent",
            index=models.Index(fields=["-timestamp", "-id"], name="product_events_newest"),
        ),
        migrations.AddIndex(
            model_name="productevent",
            index=models.Index(fields=["user_id", "-timestamp", "-id"], name="product_events_user_newest"),
        ),
        migrations.AddIndex(
            model_name="productevent",
            index=models.Index(fields=["event_type", "-timestamp", "-id"], name="product_events_type_newest"),
        ),
        migrations.AddIndex(
            model_name="productevent",
            index=models.Index(
                fields=["-timestamp", "-id"],
                name="product_events_unknown",
                condition=models.Q(unknown_fields__isnull=False),
            ),
        ),
        # who changes rows does so in SQL, which no auto_now of Django's sees
        migrations.RunSQL(TOUCH, NO_TOUCH),
        migrations.RunPython(migrations.RunPython.noop, before_going_back),
    ]
