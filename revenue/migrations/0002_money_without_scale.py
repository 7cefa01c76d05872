from django.db import migrations

from ingest.families.columns import MoneyField
from processing.postgres.migration_steps import without_scale


class Migration(migrations.Migration):
    dependencies = [("revenue", "0001_revenue")]

    operations = without_scale(
        __name__,
        {"users_revenue": {"revenue": (1000, 2)}, "revenue_ledgerentry": {"amount": (15, 2)}},
        [
            migrations.AlterField("userrevenue", "revenue", MoneyField()),
            migrations.AlterField("ledgerentry", "amount", MoneyField()),
        ],
    )
