from django.apps import AppConfig


class ShopConfig(AppConfig):
    """A team's own app, as `docs/add-your-own-event.md` tells how to write one."""

    name = "tests.support.shop"
    default_auto_field = "django.db.models.BigAutoField"
