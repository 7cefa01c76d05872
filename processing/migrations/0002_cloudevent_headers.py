from django.db import migrations, models

from processing.postgres.migration_steps import adding_columns


class Migration(migrations.Migration):
    """The headers of messages that are CloudEvents. Nullable, without a default: no row is rewritten or checked."""

    dependencies = [("processing", "0001_initial")]

    operations = adding_columns(
        __name__,
        "processing_inboxevent",
        ["headers"],
        [
            migrations.AddField(
                "inboxevent",
                "headers",
                models.TextField(help_text="of a CloudEvent; JSON, the values in base64", null=True),
            ),
        ],
    )
