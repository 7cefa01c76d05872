from django.db import migrations, models

from processing.postgres.migration_steps import adding_columns


class Migration(migrations.Migration):
    """Product events, v2. The columns are nullable and have no default: adding them rewrites and checks no row."""

    dependencies = [("ingest", "0003_product_events")]

    operations = adding_columns(
        __name__,
        "product_events",
        ["discount_code", "discount_amount", "tax_amount", "shipping_address"],
        [
            migrations.AddField("productevent", "discount_code", models.TextField(blank=True, null=True)),
            migrations.AddField(
                "productevent",
                "discount_amount",
                models.DecimalField(blank=True, decimal_places=2, max_digits=15, null=True),
            ),
            migrations.AddField(
                "productevent",
                "tax_amount",
                models.DecimalField(blank=True, decimal_places=2, max_digits=15, null=True),
            ),
            migrations.AddField("productevent", "shipping_address", models.JSONField(blank=True, null=True)),
        ],
    )
