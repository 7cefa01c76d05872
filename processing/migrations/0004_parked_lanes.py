from django.db import migrations, models

# Code that knows of no parked lanes goes on behind the failed event, as after a gap.
GO_ON = "UPDATE processing_lane SET waits_for = 'gap' WHERE waits_for = 'park' AND waiting_since IS NOT NULL"

# Only permissions that do something; groups that have them are made by eventsite's migration.
VIEW = {"default_permissions": ("view",)}
NONE = {"default_permissions": ()}
OPTIONS = {
    "addedpartition": NONE,
    "alert": NONE,
    "count": NONE,
    "deadletter": {
        **VIEW,
        "permissions": [
            ("replay_deadletter", "Can replay dead letters, edited if need be, and effects"),
            ("discard_deadletter", "Can discard dead letters, and take that back, and effects"),
        ],
    },
    "failedattempt": NONE,
    "failuregroup": {
        **VIEW,
        "verbose_name": "group of failures",
        "verbose_name_plural": "groups of failures",
    },
    "hotstateoutbox": NONE,
    "importrun": VIEW,
    "inboxevent": {
        **VIEW,
        "permissions": [("retry_inboxevent", "Can have retries of events made at once")],
        "verbose_name": "event",
    },
    "kind": {
        **VIEW,
        "permissions": [("pause_kind", "Can pause and resume kinds of event")],
        "verbose_name": "kind set aside",
        "verbose_name_plural": "kinds set aside",
    },
    "lane": {**VIEW, "permissions": [("set_lane", "Can set a lane to another seq")]},
    "loss": {
        **VIEW,
        "permissions": [("acknowledge_loss", "Can acknowledge losses")],
        "verbose_name_plural": "losses",
    },
    "operatoraction": VIEW,
    "partitionposition": NONE,
    "passedgap": VIEW,
    "pipelinestate": NONE,
    "process": {**VIEW, "verbose_name_plural": "processes"},
    "retention": NONE,
    "traceback": NONE,
}


class Migration(migrations.Migration):
    """Lanes can wait for an operator, and operators have permissions of their own.

    Forward it sends no statement: choices and options are Django's alone.
    """

    dependencies = [("processing", "0003_replay_runs")]

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
        *[migrations.AlterModelOptions(model, options) for model, options in OPTIONS.items()],
    ]
