"""Stacks for the pipeline tests. The broker is the session's; database and Redis are the test's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings

from eventsite.local.services.postgres import Postgres
from eventsite.local.services.valkey import Valkey
from tests.databases import create_database, drop_database
from tests.pipeline.stack import Stack

MakeStack = Callable[..., Stack]


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "redis", program=os.environ.get("TEST_REDIS", "")) as service:
        yield service


@pytest.fixture
def make_stack(tmp_path: Path, valkey: Valkey) -> Iterator[MakeStack]:
    stacks: list[Stack] = []

    def make(database_url: str, **variables: str) -> Stack:
        stack = Stack(tmp_path, database_url, valkey.address, settings.KAFKA_BOOTSTRAP_SERVERS, **variables)
        stacks.append(stack)
        return stack

    yield make
    for stack in stacks:
        stack.close()


@pytest.fixture
def empty_database(server_url: str) -> Iterator[str]:
    """A database without any migration."""
    yield from _own_database(server_url, "template1")


@pytest.fixture
def database(server_url: str, template: str) -> Iterator[str]:
    """A migrated database."""
    yield from _own_database(server_url, template)


def _own_database(server_url: str, template: str) -> Iterator[str]:
    name = f"pipeline_{uuid4().hex[:8]}"
    yield create_database(server_url, name, template)
    drop_database(server_url, name)


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A server that the test may stop."""
    with Postgres(tmp_path / "postgres", durable=False) as service:
        yield service


@pytest.fixture
def stack(database: str, make_stack: MakeStack) -> Stack:
    return make_stack(database)
