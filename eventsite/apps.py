"""The app `eventsite`, as Django loads it."""

import gc
from importlib import import_module

from django.apps import AppConfig

from eventsite import COLLECTED_AT


class EventsiteConfig(AppConfig):
    name = "eventsite"

    def ready(self) -> None:
        import_module("eventsite.celery")  # so that every process publishes its tasks through this app
        gc.set_threshold(*COLLECTED_AT)
