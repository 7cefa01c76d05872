"""Celery's way to Redis: the address as the door reads it, and connections that survive a fail-over.

After a fail-over old connections may still be open, to a server that is a replica now and refuses every write.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError
from redis.retry import Retry

# A command that a replica refused is sent once more, on a connection opened anew: nothing of it was done.
REOPEN_A_REPLICAS = Retry(NoBackoff(), 1, supported_errors=(ReadOnlyError,))


class Channel(redis.Channel):  # type: ignore[misc]  # kombu has no types
    """`address`: what redis-py's `parse_url` made of the broker's URL."""

    address: dict[str, Any] = {}
    from_transport_options = (*redis.Channel.from_transport_options, "address")

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        return {**super()._connparams(asynchronous), **self.address, "retry": REOPEN_A_REPLICAS}


class Transport(redis.Transport):  # type: ignore[misc]
    Channel = Channel


def use_for_redis_urls() -> None:
    """Have kombu take this for redis:// and rediss://."""
    name = f"{Transport.__module__}:{Transport.__name__}"
    TRANSPORT_ALIASES.update(redis=name, rediss=name)
