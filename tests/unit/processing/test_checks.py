"""What the checks say of a project that lacks something."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin

from ingest.checks import check_addresses
from processing.checks import check_pages, check_project


class Pages(admin.AdminSite):
    """A project's own."""


MEMORY = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.mark.parametrize(
    ("changed", "id", "told"),
    [
        ({"EVENTS_DATABASE": "events"}, "processing.E002", "EVENTS_DATABASE is 'events'"),
        ({"USE_TZ": False}, "processing.E004", "USE_TZ is off"),
        ({"CACHES": MEMORY}, "processing.E006", "locmem"),
        ({"CACHES": {}}, "processing.W002", "REDIS_URL is not set"),
        ({"KAFKA_CLIENT_CONFIG": {"bootstrap.servers": ""}}, "processing.W003", "KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(settings: Any, changed: dict[str, Any], id: str, told: str) -> None:
    for name, value in changed.items():
        setattr(settings, name, value)
    (found,) = check_project(app_configs=None)
    assert found.id == id
    assert told in found.msg and found.hint


def test_another_database_than_postgres_is_named(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.mysql")
    (found,) = check_project(app_configs=None)
    assert found.id == "processing.E003" and "EVENTS_DATABASE" in str(found.hint)


@pytest.mark.parametrize(
    ("installed", "told"), [(None, "unfold has put its own"), (admin.AdminSite(), "no UnfoldAdminSite")]
)
def test_a_site_of_ones_own_that_is_not_the_admins_is_named(
    monkeypatch: pytest.MonkeyPatch, installed: admin.AdminSite | None, told: str
) -> None:
    monkeypatch.setattr(apps.get_app_config("admin"), "default_site", f"{Pages.__module__}.{Pages.__qualname__}")
    if installed is not None:
        monkeypatch.setattr(admin, "site", installed)
    (found,) = check_project(app_configs=None)
    assert found.id == "processing.E007" and told in found.msg and "BasicAppConfig" in str(found.hint)


def test_the_admins_pages_are_missed_where_nobody_includes_them(settings: Any) -> None:
    settings.ROOT_URLCONF = "revenue.urls"
    (found,) = check_pages(app_configs=None)
    assert found.id == "processing.W005" and "admin.site.urls" in str(found.hint)


def test_the_addresses_are_missed_where_nobody_includes_them(settings: Any) -> None:
    settings.ROOT_URLCONF = "revenue.urls"
    (found,) = check_addresses(app_configs=None)
    assert found.id == "ingest.W001" and "include('ingest.urls')" in str(found.hint)


def test_a_whole_project_has_nothing_to_be_told() -> None:
    assert check_project(app_configs=None) == []
    assert check_addresses(app_configs=None) == []
    assert check_pages(app_configs=None) == []
