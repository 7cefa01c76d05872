"""Celery's way to Redis: the address as the door reads it, and connections that survive a fail-over."""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

from processing.conf.redis_address import REOPEN_A_REPLICAS


class Channel(redis.Channel):
    """`address`: what redis-py makes of the broker's URL, which kombu would read otherwise."""

    address: dict[str, Any] = {}
    from_transport_options = (*redis.Channel.from_transport_options, "address")

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]  # not in kombu's stubs
        return {**parameters, **self.address, "retry": REOPEN_A_REPLICAS}


class Transport(redis.Transport):
    Channel = Channel


def use_for_redis_urls() -> None:
    """Have kombu take this for redis:// and rediss://."""
    name = f"{Transport.__module__}:{Transport.__name__}"
    TRANSPORT_ALIASES.update(redis=name, rediss=name)
