from django.db import migrations, models

from ingest.migration_steps import lock_table, record_unapplied, tell_dropped_columns

COLUMNS = ("discount_code", "discount_amount", "tax_amount", "shipping_address")


def before_going_forward(apps, editor):
    lock_table(editor.connection, "product_events")


def before_going_back(apps, editor):
    tell_dropped_columns(editor.connection, "product_events", COLUMNS)
    lock_table(editor.connection, "product_events")
    record_unapplied(editor.connection, "ingest", "0004_product_events_v2")


class Migration(migrations.Migration):
    """Product events, v2. The columns are nullable and have no default: adding them rewrites and checks no row."""

    dependencies = [("ingest", "0003_product_events")]

    operations = [
        migrations.RunPython(before_going_forward, migrations.RunPython.noop),
        migrations.AddField("productevent", "discount_code", models.TextField(blank=True, null=True)),
        migrations.AddField(
            "productevent",
            "discount_amount",
            models.DecimalField(blank=True, decimal_places=2, max_digits=15, null=True),
        ),
        migrations.AddField(
            "productevent", "tax_amount", models.DecimalField(blank=True, decimal_places=2, max_digits=15, null=True)
        ),
        migrations.AddField("productevent", "shipping_address", models.JSONField(blank=True, null=True)),
        migrations.RunPython(migrations.RunPython.noop, before_going_back),
    ]
