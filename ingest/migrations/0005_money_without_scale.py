from django.db import migrations

from ingest.families.columns import MoneyField
from processing.postgres.migration_steps import without_scale


class Migration(migrations.Migration):
    """Money of any currency: as many decimals as ISO 4217 gives it, which a scale of two would cut."""

    dependencies = [("ingest", "0004_product_events_v2")]

    operations = without_scale(
        __name__,
        {"product_events": {"price": (15, 2), "discount_amount": (15, 2), "tax_amount": (15, 2)}},
        [
            migrations.AlterField("productevent", "price", MoneyField()),
            migrations.AlterField(
                "productevent", "discount_amount", MoneyField(blank=True, null=True)
            ),
            migrations.AlterField("productevent", "tax_amount", MoneyField(blank=True, null=True)),
        ],
    )
