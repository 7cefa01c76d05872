"""The app `eventsite`, as Django loads it."""

from importlib import import_module

from django.apps import AppConfig


class EventsiteConfig(AppConfig):
    name = "eventsite"

    def ready(self) -> None:
        import_module("eventsite.celery")  # so that every process publishes its tasks through this app
