"""System checks: does the project give the apps what they stand on? What a database session must have, see
`processing.postgres.checks`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

DJANGOS_SITE = "django.contrib.admin.sites.AdminSite"
SITE_OF_ONES_OWN = "Derive it from unfold.sites.UnfoldAdminSite, and have 'unfold.apps.BasicAppConfig' for 'unfold'."
POSTGRES = "ENGINE 'django.db.backends.postgresql', or 'processing.postgres.backend', which bounds its connections."


@register()
def check_project(*, app_configs: Sequence[Any] | None, **options: Any) -> list[CheckMessage]:
    """processing.E002 to E007, W002 to W004. Nothing is connected to."""
    return [*_database(), *_apps(), *_cache(), *_services()]


@register(Tags.urls)
def check_pages(*, app_configs: Sequence[Any] | None, **options: Any) -> list[CheckMessage]:
    """processing.W005: nobody sees the pipeline."""
    try:
        if apps.is_installed("django.contrib.admin"):
            reverse("admin:processing_inboxevent_changelist")
    except NoReverseMatch:
        hint = "Add path('admin/', admin.site.urls) to ROOT_URLCONF; beside a site of your own with another name too."
        text = "django.contrib.admin.site has no address: nobody sees the pipeline's pages."
        return [Warning(text, hint=hint, id="processing.W005")]
    return []


def _database() -> Iterator[CheckMessage]:
    alias = settings.EVENTS_DATABASE
    engine = settings.DATABASES.get(alias, {}).get("ENGINE", "")
    if alias not in settings.DATABASES:
        text = f"EVENTS_DATABASE is {alias!r}, which DATABASES does not have."
        yield Error(text, hint=f"Name one of {', '.join(settings.DATABASES)}.", id="processing.E002")
    elif engine and "postg" not in engine and not engine.endswith("dummy"):
        text = f"the events' database {alias!r} has the ENGINE {engine!r}; it must be PostgreSQL."
        hint = f"{POSTGRES} If your own tables stay where they are, add a database and name it in EVENTS_DATABASE."
        yield Error(text, hint=hint, id="processing.E003")
    elif find_spec("psycopg") is None:
        yield Error("psycopg 3 is not installed.", hint="pip install 'psycopg[binary]'", id="processing.E003")
    if not settings.USE_TZ:
        yield Error("USE_TZ is off; events have their times in UTC.", hint="Set USE_TZ = True.", id="processing.E004")


def _apps() -> Iterator[CheckMessage]:
    names = [config.name for config in apps.get_app_configs()]
    if "django.contrib.admin" not in names:
        return  # nobody looks at them here
    if "unfold" not in names or names.index("unfold") > names.index("django.contrib.admin"):
        text = "the pages of the admin need django-unfold, which is not before django.contrib.admin in INSTALLED_APPS."
        hint = "Put 'unfold' in INSTALLED_APPS, above 'django.contrib.admin'. Pages of your own stay as they are."
        yield Error(text, hint=hint, id="processing.E005")
        return
    yield from _site()


def _site() -> Iterator[CheckMessage]:
    from django.contrib.admin import site  # the project's
    from unfold.sites import UnfoldAdminSite

    wanted = apps.get_app_config("admin").default_site  # type: ignore[attr-defined]
    derived = isinstance(site, UnfoldAdminSite)
    if not derived or (wanted != DJANGOS_SITE and not isinstance(site, import_string(wanted))):
        stands = "unfold has put its own admin site in its place" if derived else "it is no UnfoldAdminSite"
        text = f"{wanted} is to be the admin's site, but {stands}."
        yield Error(text, hint=SITE_OF_ONES_OWN, id="processing.E007")


def _cache() -> Iterator[CheckMessage]:
    cache = settings.CACHES.get(settings.EVENTS_CACHE)
    if cache is not None and not cache.get("BACKEND", "").startswith("django_redis."):
        text = f"EVENTS_CACHE is {settings.EVENTS_CACHE!r}, whose BACKEND is {cache.get('BACKEND')!r}."
        hint = "It must be django_redis.cache.RedisCache; or take it out of CACHES and set REDIS_URL."
        yield Error(text, hint=hint, id="processing.E006")
    if cache is None:
        text = "REDIS_URL is not set: no event can be taken."
        yield Warning(text, hint="Set it, such as redis://127.0.0.1:6379/0.", id="processing.W002")


def _services() -> Iterator[CheckMessage]:
    if not settings.KAFKA_CLIENT_CONFIG["bootstrap.servers"]:
        text = "KAFKA_BOOTSTRAP_SERVERS is not set: no event can be published or read."
        yield Warning(text, hint="Set it, such as 127.0.0.1:9092.", id="processing.W003")
    if current_app.main == "default":  # Celery's own, where nobody has made one
        text = "no Celery app is imported: retries would be sent nowhere."
        hint = "Import it where Django starts, as Celery's guide for Django says: `from .celery import app` in the "
        yield Warning(text, hint=f"{hint}project's __init__.py.", id="processing.W004")
