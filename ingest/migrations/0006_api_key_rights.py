from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

from processing.postgres.migration_steps import adding_columns

FIELDS = {
    "expires_at": models.DateTimeField(null=True, blank=True, help_text="from then on it is refused; empty: never"),
    "last_used_at": models.DateTimeField(null=True, editable=False, help_text="to the minute"),
    "kinds": ArrayField(
        models.TextField(), default=list, db_default=[], blank=True, help_text="families that it is for; none: all"
    ),
    "may_write": models.BooleanField(default=True, db_default=True, help_text="send events"),
    "may_read": models.BooleanField(default=True, db_default=True, help_text="read what became of events"),
    "rate_limit": models.PositiveIntegerField(
        default=0, db_default=0, help_text="events a second that it may send; 0: no limit of its own"
    ),
}
VIEW = {"default_permissions": ("view",)}


class Migration(migrations.Migration):
    """What an API key may, and how long; and only permissions that do something.

    Keys that are there may all, as before. Columns with constant defaults: no row is rewritten.
    """

    dependencies = [("ingest", "0005_money_without_scale")]

    operations = [
        *adding_columns(
            __name__,
            "ingest_apikey",
            list(FIELDS),
            [migrations.AddField("apikey", name, field) for name, field in FIELDS.items()],
        ),
        migrations.AlterModelOptions(
            "apikey", {"default_permissions": ("view", "add", "change"), "verbose_name": "API key"}
        ),
        migrations.AlterModelOptions("gameevent", VIEW),
        migrations.AlterModelOptions("productevent", VIEW),
    ]
