"""The app `eventsite`, as Django loads it."""

import gc
from importlib import import_module

from django.apps import AppConfig

from eventsite import COLLECTED_AT

ACTS = ("view", "add", "change", "delete")


class EventsiteConfig(AppConfig):
    name = "eventsite"
    grants = {"administrator": tuple(f"auth.{act}_{model}" for act in ACTS for model in ("user", "group"))}

    def ready(self) -> None:
        import_module("eventsite.celery")  # so that every process publishes its tasks through this app
        gc.set_threshold(*COLLECTED_AT)
