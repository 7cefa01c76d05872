"""The app `processing`, as Django loads it: what it needs of a project it sets itself, where the project has not."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import structlog
from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate
from django.utils.module_loading import module_has_submodule

from processing import conf
from processing.conf.addresses import KEEPALIVES, redis_cache
from processing.conf.reading import BadEnvironment
from processing.groups import grant_new_permissions

DECLARATIONS = "events"
ROUTER = "processing.postgres.databases.Router"


class ProcessingConfig(AppConfig):
    name = "processing"
    default_auto_field = "django.db.models.BigAutoField"
    grants = {
        "operator": (
            "processing.retry_inboxevent",
            "processing.replay_deadletter",
            "processing.discard_deadletter",
            "processing.pause_kind",
            "processing.set_lane",
            "processing.acknowledge_loss",
        )
    }

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        """Before any app's models are imported: what they import reads the settings."""
        super().__init__(app_name, app_module)
        conf.fill_in(settings)
        add_cache(settings)
        add_router(settings)
        add_keepalives(settings)
        log_as_the_project_does()
        post_migrate.connect(grant_new_permissions)  # before an app's `ready`, so before Django's own receivers

    def ready(self) -> None:
        """Import `events` of every installed app that has one: kinds of event register themselves there."""
        from processing import checks as checks
        from processing.postgres import checks as checks_of_sessions  # noqa: F401

        for app in apps.get_app_configs():
            if app.module is not None and module_has_submodule(app.module, DECLARATIONS):
                try:
                    import_module(f"{app.name}.{DECLARATIONS}")
                except Exception as error:
                    raise ImproperlyConfigured(f"{app.name}.{DECLARATIONS}: {error}") from error
        # Their tasks are known, and their signals, whichever apps the project's Celery looks for tasks in.
        from processing import celery as celery
        from processing import tasks as tasks

        check_families(settings.FAMILY_ON_FAILURE)


def check_families(named: dict[str, str]) -> None:
    """All apps that declare families are ready by now. Raises `BadEnvironment`."""
    from processing.domain.families import families

    known = sorted(family.name for family in families())
    if unknown := sorted(set(named).difference(known)):
        said = ",".join(f"{name}={choice}" for name, choice in named.items())
        raise BadEnvironment(
            f"FAMILY_ON_FAILURE={said!r} cannot be used: no family is called {', '.join(unknown)}; "
            f"allowed are {', '.join(known)}"
        )


def add_cache(settings: Any) -> None:
    if settings.EVENTS_CACHE not in settings.CACHES and settings.REDIS_URL:
        settings.CACHES = {**settings.CACHES, settings.EVENTS_CACHE: redis_cache(settings.REDIS_URL)}


def add_router(settings: Any) -> None:
    """The first: a project's own may know nothing of our tables, or read them from a replica."""
    if (settings.DATABASE_ROUTERS or settings.EVENTS_DATABASE != "default") and ROUTER not in settings.DATABASE_ROUTERS:
        settings.DATABASE_ROUTERS = [ROUTER, *settings.DATABASE_ROUTERS]


def add_keepalives(settings: Any) -> None:
    """A connection that was cut off is to be noticed, and its locks with it."""
    database = settings.DATABASES.get(settings.EVENTS_DATABASE, {})
    if "postg" in database.get("ENGINE", ""):  # postgis too
        database["OPTIONS"] = {**KEEPALIVES, **database.get("OPTIONS", {})}


def log_as_the_project_does() -> None:
    """Lines of text to the standard library's loggers, whose handlers are the project's; one that has set structlog up
    gets ours as its own."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
