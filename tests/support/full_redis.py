"""A Redis of the test's own whose memory can be full."""

from __future__ import annotations

from redis import Redis


def fill_up(redis: Redis) -> None:
    """From here on it takes nothing more."""
    redis.config_set("maxmemory-policy", "noeviction")
    redis.config_set("maxmemory", 1)


def make_room(redis: Redis) -> None:
    redis.config_set("maxmemory", 0)


def sizes(redis: Redis) -> dict[bytes | str, int]:
    """The bytes that each key takes."""
    return {key: redis.memory_usage(key, samples=0) or 0 for key in redis.keys("*")}
