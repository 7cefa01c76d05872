"""The embedded services of a stack: those whose variable nobody set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from eventsite.local.services.postgres import Postgres
from eventsite.local.services.service import Service
from eventsite.local.services.tansu import Tansu
from eventsite.local.services.valkey import Valkey

Say = Callable[[str], None]


def laptop_services(folder: Path) -> list[Service]:
    return [Postgres(folder / "postgres"), Valkey(folder / "redis"), Tansu(folder / "broker")]


def not_set(services: Iterable[Service], variables: Mapping[str, str]) -> list[Service]:
    return [service for service in services if not variables.get(service.variable)]


@contextmanager
def running(services: Iterable[Service], say: Say) -> Iterator[dict[str, str]]:
    """Keep these up during the block, which gets their addresses; the last one started ends first."""
    started: list[Service] = []
    addresses: dict[str, str] = {}
    try:
        for service in services:
            started.append(service)
            addresses[service.variable] = service.start()
            say(f"{service.name} on 127.0.0.1:{service.port}")
        yield addresses
    finally:
        for service in reversed(started):
            service.stop()
            say(f"{service.name} stopped")


def revive(services: Iterable[Service], say: Say) -> list[Service]:
    """Start those that died again, where they were, and return them. Raises `ServiceFailed`."""
    dead = [service for service in services if not service.is_running()]
    for service in dead:
        loss = ", without what it held and nobody had read" if service.forgets else ""
        say(f"{service.name} died; starting it again{loss}")
        service.start_again()
    return dead
