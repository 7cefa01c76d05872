"""The app `eventsite`, as Django loads it."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings

from eventsite.env import BadEnvironment


class EventsiteConfig(AppConfig):
    name = "eventsite"

    def ready(self) -> None:
        import_module("eventsite.celery")  # so that every process publishes its tasks through this app
        _check_families(settings.FAMILY_ON_FAILURE)


def _check_families(named: dict[str, str]) -> None:
    """All apps that declare families are ready by now. Raises `BadEnvironment`."""
    from processing.domain.families import families

    known = sorted(family.name for family in families())
    if unknown := sorted(set(named).difference(known)):
        said = ",".join(f"{name}={choice}" for name, choice in named.items())
        raise BadEnvironment(
            f"FAMILY_ON_FAILURE={said!r} cannot be used: no family is called {', '.join(unknown)}; "
            f"allowed are {', '.join(known)}"
        )
