"""How fast a consumer takes a prefilled topic into Postgres and Redis."""

from __future__ import annotations

from bench.events import Kind, records
from bench.measure import Measurement, Meter
from bench.site import Site

FIRST = 2_000  # events that the consumer has done before: connections are open, statements prepared


def measure(site: Site, events: int, kind: Kind) -> Measurement:
    """The consumer stands still while the topic is filled: it begins warm, with all of its work before it."""
    site.start("consumer")
    site.produce(records(kind, FIRST, "first"))
    site.wait_until_drained(FIRST)
    site.wait_until_quiet()
    site.processes["consumer"].freeze()
    site.produce(records(kind, events))
    meter = Meter(site.pids)
    site.processes["consumer"].thaw()
    site.wait_until_drained(FIRST + events)
    measured = meter.stop(events)
    site.require_final(FIRST + events)
    if kind is Kind.GAMES:
        site.require_value("SELECT count(*) FROM game_events", FIRST + events)
    return measured
