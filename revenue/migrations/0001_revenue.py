import django.db.models.functions.datetime
from django.db import migrations, models

from processing.postgres.migration_steps import WithoutLikeIndexes, lock_tables, record_unapplied, tell_dropped_table


TABLES = ("users_revenue", "revenue_ledgerentry")  # balances first, as every writer


def before_going_back(apps, editor):
    for table in TABLES:
        tell_dropped_table(editor.connection, table)
    lock_tables(editor.connection, *TABLES)
    record_unapplied(editor.connection, __name__)


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="UserRevenue",
            fields=[
                ("user_id", models.TextField(db_collation="C", primary_key=True, serialize=False)),
                ("revenue", models.DecimalField(decimal_places=2, max_digits=1000)),
                ("entries", models.BigIntegerField(help_text="the number of the user's last ledger entry")),
            ],
            options={
                "verbose_name": "revenue of users",
                "verbose_name_plural": "revenue of users",
                "db_table": "users_revenue",
            },
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                ("event_id", models.TextField(db_collation="C", primary_key=True, serialize=False)),
                ("user_id", models.TextField(db_collation="C")),
                ("number", models.BigIntegerField(help_text="which of the user's entries it is")),
                ("amount", models.DecimalField(decimal_places=2, max_digits=15)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
            options={
                "verbose_name_plural": "ledger entries",
                "constraints": [
                    models.UniqueConstraint(fields=("user_id", "number"), name="revenue_ledger_user_number_unique")
                ],
            },
        ),
        WithoutLikeIndexes(),
        migrations.RunPython(migrations.RunPython.noop, before_going_back),
    ]
