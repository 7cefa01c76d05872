import django.db.models.functions.datetime
from django.db import migrations, models
from django.db.models import Q

WAITING = Q(status="waiting")
A_TASK = ~Q(name="emit")


class Migration(migrations.Migration):
    """A table of its own: nobody's writes wait for it. The way back drops effects that are still to be done."""

    dependencies = [("processing", "0004_parked_lanes")]

    operations = [
        migrations.CreateModel(
            name="Effect",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token", models.TextField(db_collation="C", help_text="of a follow-up: its event's id", unique=True)),
                ("name", models.TextField(help_text="the task's; 'emit': a follow-up")),
                ("event_id", models.TextField(db_collation="C")),
                ("user_id", models.TextField(db_collation="C")),
                ("ordered", models.BooleanField()),
                ("lease_s", models.IntegerField()),
                ("value", models.BinaryField(help_text="a follow-up's, for Kafka", null=True)),
                (
                    "status",
                    models.TextField(
                        choices=[(each, each) for each in ("waiting", "done", "failed", "discarded")],
                        db_default="waiting",
                    ),
                ),
                ("attempts", models.IntegerField(db_default=0)),
                ("attempt_limit", models.IntegerField(help_text="after this many attempts it is failed", null=True)),
                ("claims", models.IntegerField(db_default=0, help_text="raised by each; tells a late one from the last")),
                ("error", models.TextField(blank=True, db_default="")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("due_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [
                    models.Index("event_id", name="effects_of_event"),
                    models.Index("due_at", "id", name="effects_due_tasks", condition=WAITING & A_TASK),
                    models.Index("due_at", "id", name="effects_due_follow_ups", condition=WAITING & ~A_TASK),
                    models.Index("name", "user_id", "id", name="effects_ordered", condition=WAITING & Q(ordered=True)),
                    models.Index("status", "id", name="effects_not_done", condition=~Q(status="done")),
                    models.Index("ended_at", name="effects_ended", condition=~WAITING),
                ],
            },
        ),
    ]
