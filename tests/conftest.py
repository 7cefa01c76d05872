"""What every test may use. The services themselves are started by tests/settings.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.signals import request_started
from django.db import connection
from django.test import Client, TransactionTestCase
from django_redis import get_redis_connection
from pytest_django import DjangoDbBlocker
from redis import Redis
from xdist.scheduler import LoadScopeScheduling

from ingest import serving
from tests.databases import create_database, create_once, drop_database, empty_tables
from tests.scheduling import Scheduling, longest_first
from tests.services import take_own_ports
from tests.support.operator_pages import client_of

CREATE_TIMEOUT_S = 15
OF_THE_SHOP = ["integration/ingest/test_shop.py", "integration/processing/test_handlers_testing.py"]
take_own_ports(os.environ)
collect_ignore = [] if "tests.support.shop" in settings.INSTALLED_APPS else OF_THE_SHOP


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)


@pytest.hookimpl(optionalhook=True)  # without xdist there is no such hook
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def server_url() -> str:
    """The run's Postgres, as a URL."""
    return os.environ["DATABASE_URL"]  # tests/settings.py has put it there


@pytest.fixture(scope="session")
def template(server_url: str, django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> str:
    """A migrated database, to be copied: one for the whole run, made by the worker that first asks for it."""
    name = os.environ["TEST_TEMPLATE"]
    with django_db_blocker.unblock():
        create_once(server_url, name, _migrate)
    return name


def _migrate(name: str) -> None:
    own = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0, run_syncdb=True)  # the tests' own app has no migrations
    finally:
        connection.close()  # a database that somebody uses cannot be copied
        connection.settings_dict["NAME"] = own


@pytest.fixture(scope="session")
def django_db_setup(server_url: str, template: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """In place of pytest-django's: a copy takes a moment, where each worker's own migrations would take seconds."""
    name = f"test_{uuid4().hex[:8]}"
    create_database(server_url, name, template)
    connection.settings_dict["NAME"] = name
    yield
    with django_db_blocker.unblock():
        connection.close()
        drop_database(server_url, name)


@pytest.fixture(scope="session", autouse=True)
def _tables_are_emptied_by_us() -> Iterator[None]:
    """After a test that commits, Django would truncate all tables one and all and send `post_migrate`, whose receivers
    write content types and permissions anew: more time than most of these tests take themselves.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda test_case: empty_tables())
        yield


@pytest.fixture(scope="session", autouse=True)
def _live_servers_are_no_web_processes() -> None:
    """What a web process starts with its first request ends with the process: it would write a heartbeat, and count,
    in the databases of the tests that follow.
    """
    for handler in (WSGIHandler, ASGIHandler):
        assert request_started.disconnect(serving.start, sender=handler)


@pytest.fixture
def redis() -> Iterator[Redis]:
    """Redis, empty at the start and at the end."""
    client: Redis = get_redis_connection("default")
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture(scope="session")
def kafka_admin() -> AdminClient:
    return AdminClient(settings.KAFKA_CLIENT_CONFIG)


@pytest.fixture
def topics(kafka_admin: AdminClient) -> Callable[..., str]:
    """Make a topic of this test's own: `topics("events", partitions=4)` returns its name."""

    def make(stem: str, *, partitions: int = 1) -> str:
        name = f"{stem}-{uuid4().hex[:12]}"
        for future in kafka_admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(CREATE_TIMEOUT_S)
        return name

    return make


@pytest.fixture
def operator() -> Client:
    """A browser in which somebody is logged in who may do everything."""
    return client_of("ada", superuser=True)
