from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


def drop(name: str, *, on_the_way_back: bool = False) -> migrations.RunSQL:
    """An index that a crash left half built would be in the way of the next try."""
    statement = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
    noop = migrations.RunSQL.noop
    return migrations.RunSQL(noop, statement) if on_the_way_back else migrations.RunSQL(statement, noop)


UNHAPPY = models.Q(("status", "processed"), _negated=True)
NUMBERED = models.Q(("seq__isnull", False))


class Migration(migrations.Migration):
    """What lists need. In exchange goes what slows each insert down: `inbox_lane` holds from now on only what has a
    seq, and Django's indexes for LIKE, which serve no query where the collation is C."""

    atomic = False  # an index is built beside writers, in no transaction

    dependencies = [("processing", "0002_file_runs")]

    operations = [
        drop("inbox_user_newest"),
        AddIndexConcurrently(
            "inboxevent", models.Index(fields=["user_id", "-received_at"], name="inbox_user_newest")
        ),
        drop("inbox_type_newest"),
        AddIndexConcurrently("inboxevent", models.Index(fields=["type", "-received_at"], name="inbox_type_newest")),
        drop("inbox_family_unhappy"),
        AddIndexConcurrently(
            "inboxevent",
            models.Index(
                fields=["family", "status", "-received_at"], name="inbox_family_unhappy", condition=UNHAPPY
            ),
        ),
        drop("inbox_numbered"),
        AddIndexConcurrently(
            "inboxevent", models.Index(fields=["user_id", "seq"], name="inbox_numbered", condition=NUMBERED)
        ),
        # lanes never lack an index, on neither way: the other one is there before this one goes
        RemoveIndexConcurrently("inboxevent", "inbox_lane"),
        drop("inbox_lane", on_the_way_back=True),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS inbox_id_ac60b8ce_like",
            "CREATE INDEX CONCURRENTLY inbox_id_ac60b8ce_like ON inbox (id text_pattern_ops)",
        ),
        drop("inbox_id_ac60b8ce_like", on_the_way_back=True),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS lanes_user_id_e4047457_like",
            "CREATE INDEX CONCURRENTLY lanes_user_id_e4047457_like ON lanes (user_id text_pattern_ops)",
        ),
        drop("lanes_user_id_e4047457_like", on_the_way_back=True),
    ]
