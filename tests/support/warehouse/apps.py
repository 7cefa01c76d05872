from django.apps import AppConfig


class WarehouseConfig(AppConfig):
    """An app whose events have effects outside the database, and follow-ups."""

    name = "tests.support.warehouse"
    default_auto_field = "django.db.models.BigAutoField"
