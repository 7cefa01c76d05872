from django.db import migrations, models

# Code that knows of no parked lanes goes on behind the failed event, as after a gap.
GO_ON = "UPDATE processing_lane SET waits_for = 'gap' WHERE waits_for = 'park'"


class Migration(migrations.Migration):
    """Lanes can wait for an operator. Forward it sends no statement: choices are Django's alone."""

    dependencies = [("processing", "0002_cloudevent_headers")]

    operations = [
        migrations.AlterField(
            "lane",
            "waits_for",
            models.TextField(
                blank=True,
                choices=[
                    ("", "nothing"),
                    ("gap", "a seq that is missing"),
                    ("retry", "the retry of its next event"),
                    ("kind", "its next event's kind, which is set aside"),
                    ("turn", "its turn: its next event is there"),
                    ("park", "an operator: it is parked on its next event, which has failed"),
                ],
                db_default="",
            ),
        ),
        migrations.RunSQL(migrations.RunSQL.noop, GO_ON),
    ]
