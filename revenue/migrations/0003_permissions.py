from django.db import migrations

VIEW = {"default_permissions": ("view",)}


class Migration(migrations.Migration):
    """Only permissions that do something. No statement is sent."""

    dependencies = [("revenue", "0002_money_without_scale")]

    operations = [
        migrations.AlterModelOptions("ledgerentry", {**VIEW, "verbose_name_plural": "ledger entries"}),
        migrations.AlterModelOptions(
            "userrevenue",
            {**VIEW, "verbose_name": "revenue of users", "verbose_name_plural": "revenue of users"},
        ),
    ]
