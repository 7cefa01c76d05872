"""The app `processing`, as Django loads it."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class ProcessingConfig(AppConfig):
    name = "processing"

    def ready(self) -> None:
        autodiscover_modules("families")  # each app's event families register themselves
