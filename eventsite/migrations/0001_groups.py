"""Groups of users: who may look, who may act, who gives rights."""

from django.apps import apps as installed
from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

OWN = ("processing", "ingest", "revenue")
ACTS = (
    "retry_inboxevent",
    "replay_deadletter",
    "discard_deadletter",
    "pause_kind",
    "set_lane",
    "acknowledge_loss",
)
ADMINISTERED = ("apikey", "user", "group")


def make_groups(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """A group of that name which is there already stays as its owners made it."""
    alias = editor.connection.alias
    for label in (*OWN, "auth"):  # Django makes them once all migrations are applied, which is too late here
        create_permissions(installed.get_app_config(label), verbosity=0, using=alias)
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    own = permissions.filter(content_type__app_label__in=OWN)
    own.exclude(codename__in=_offered()).delete()
    read = own.filter(codename__startswith="view_").exclude(codename="view_apikey")
    rights = {
        "viewer": read,
        "operator": read | own.filter(codename__in=ACTS),
        "administrator": permissions.filter(
            content_type__app_label__in=("ingest", "auth"), content_type__model__in=ADMINISTERED
        ),
    }
    for name, granted in rights.items():
        group, made = apps.get_model("auth", "Group").objects.using(alias).get_or_create(name=name)
        if made:
            group.permissions.set(granted)


def _offered() -> set[str]:
    """The permissions of these apps that do something."""
    found: set[str] = set()
    for label in OWN:
        for model in installed.get_app_config(label).get_models():
            options = model._meta
            found |= {f"{action}_{options.model_name}" for action in options.default_permissions}
            found |= {codename for codename, _ in options.permissions}
    return found


class Migration(migrations.Migration):
    """Permissions are what the code offers, as Django makes them after each `migrate`: so this asks the installed
    models, and no app's step back takes the groups along. They stay on the way back: members would lose them.
    """

    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
