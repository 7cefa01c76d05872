"""How fast a consumer takes a prefilled topic into Postgres and Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.events import Kind, records, repeated
from bench.measure import Measurement, Meter
from bench.site import Site
from tests.pipeline.log import Record

FIRST = 2_000  # events that the consumer has done before: connections are open, statements prepared


def measure(site: Site, events: int, kind: Kind, consumers: int = 1) -> Measurement:
    measured = _drain(site, records(kind, FIRST, "first"), records(kind, events), consumers=consumers)
    site.require_final(FIRST + events)
    if kind is Kind.GAMES:
        site.require_value("SELECT count(*) FROM game_events", FIRST + events)
    return measured


def stored(
    site: Site,
    events: int,
    table: str = "processing_inboxevent",
    also: Sequence[str] = (),
    hot_state: str = "all",
) -> Measurement:
    """Every hundredth event comes twice, and has one row in the end. `also`: processes that the consumer needs."""
    site.environment["HOT_STATE"] = hot_state
    site.start(*also)
    first = records(Kind.PLAIN, min(FIRST, events // 10), "first")
    then, different = repeated(records(Kind.PLAIN, events))
    rows = f"SELECT count(*) FROM {table}"
    wanted = len(first) + different
    measured = _drain(site, first, then, finish=lambda: site.wait_until_value(rows, wanted))
    site.require_value(rows, wanted)
    return measured


def _drain(
    site: Site,
    first: Sequence[Record],
    then: Sequence[Record],
    *,
    consumers: int = 1,
    finish: Callable[[], None] = lambda: None,
) -> Measurement:
    """The consumers stand still while the topic is filled: they begin warm, with all of their work before them."""
    processes = site.start_many("consumer", consumers)
    site.produce(first)
    site.wait_until_drained(len(first))
    site.wait_until_members(consumers)
    site.wait_until_quiet()
    for process in processes:
        process.freeze()
    site.produce(then)
    meter = Meter(site.pids)
    for process in processes:
        process.thaw()
    site.wait_until_drained(len(first) + len(then))
    finish()
    return meter.stop(len(then))
