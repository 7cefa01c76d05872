"""The app `processing`, as Django loads it."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import module_has_submodule

DECLARATIONS = "events"


class ProcessingConfig(AppConfig):
    name = "processing"

    def ready(self) -> None:
        """Import `events` of every installed app that has one: kinds of event register themselves there."""
        from processing.postgres import checks as checks

        for app in apps.get_app_configs():
            if app.module is not None and module_has_submodule(app.module, DECLARATIONS):
                try:
                    import_module(f"{app.name}.{DECLARATIONS}")
                except Exception as error:
                    raise ImproperlyConfigured(f"{app.name}.{DECLARATIONS}: {error}") from error
