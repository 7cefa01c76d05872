from django.db import migrations, models

from processing.postgres.migration_steps import adding_columns


class Migration(migrations.Migration):
    """The trace of an event that is tried again. Nullable, without a default: no row is rewritten or checked."""

    dependencies = [("processing", "0005_effects")]

    operations = adding_columns(
        __name__,
        "processing_inboxevent",
        ["traceparent"],
        [
            migrations.AddField(
                "inboxevent",
                "traceparent",
                models.TextField(help_text="of its message, while traces are on", null=True),
            ),
        ],
    )
