"""What a final event takes of Redis' memory, by HOT_STATE; events come by Kafka, so nothing there is the door's."""

from __future__ import annotations

from collections.abc import Iterator

from redis import Redis

from bench.events import Kind, records
from bench.figures import Figure
from bench.processes import RunFailed
from bench.revisions import this_checkout
from bench.services import Services
from bench.site import site

FIRST = 1_000  # events before: what the consumer keeps there for itself is there by then
AT_MOST = {"all": 450, "unhappy": 200}


def measure(services: Services, events: int) -> Iterator[Figure]:
    for hot_state, at_most in AT_MOST.items():
        bytes_each = _bytes(services, hot_state, events)
        yield Figure(f"Redis' memory for an event that was processed, HOT_STATE={hot_state}", bytes_each, "B", at_most)


def _bytes(services: Services, hot_state: str, events: int) -> float:
    with site(services, this_checkout()) as at, Redis.from_url(services.redis) as redis:
        at.environment["HOT_STATE"] = hot_state
        at.start("consumer")
        at.produce(records(Kind.PLAIN, FIRST, "first"))
        at.wait_until_drained(FIRST)
        at.wait_until_quiet()
        before = redis.info("memory")["used_memory"]
        at.produce(records(Kind.PLAIN, events))
        at.wait_until_drained(FIRST + events)
        at.wait_until_quiet()
        if hot_state == "all":
            at.require_final(FIRST + events)
        elif found := sum(1 for _ in redis.scan_iter(match="event:*", count=events)):
            raise RunFailed(f"{found} events have a key with HOT_STATE={hot_state}")
        at.require_value("SELECT count(*) FROM processing_inboxevent", FIRST + events)
        return float(redis.info("memory")["used_memory"] - before) / events
