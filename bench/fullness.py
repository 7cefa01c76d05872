"""What an event costs in a full inbox, against an empty one: a consumer on each, in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import psycopg

from bench.events import Kind, new_records
from bench.figures import Figure
from bench.list_rows import INBOX, fill
from bench.measure import Measurement, Meter
from bench.revisions import this_checkout
from bench.rounds import say, spread
from bench.services import Services
from bench.site import Site, site

ROUNDS = 3
EVENTS = 60_000  # of a round
MOST_TIMES = 1.3
EMPTY, FULL = "empty", "full"


def measure(services: Services, rows: int) -> Iterator[Figure]:
    with site(services, this_checkout()) as empty, site(services, this_checkout()) as full:
        with psycopg.connect(full.database, autocommit=True) as connection:
            fill(connection, "processing_inboxevent", INBOX, rows)
            connection.execute("CHECKPOINT")
        yield from _figures(rows, _in_turn({EMPTY: empty, FULL: full}))


def _in_turn(sites: Mapping[str, Site]) -> Mapping[str, Sequence[Measurement]]:
    """Each does a round that is not counted, then ROUNDS."""
    for at in sites.values():
        at.start("consumer")
        _round(at, 0)
    measured: dict[str, list[Measurement]] = {name: [] for name in sites}
    for number in range(1, ROUNDS + 1):
        for name, at in sites.items():
            measured[name].append(_round(at, number))
            say(f"  {name}: {measured[name][-1].rate:,.0f}/s, {measured[name][-1].all_cpu_us:.1f} µs of CPU each")
    return measured


def _round(at: Site, before: int) -> Measurement:
    """The consumer stands still while the topic is filled. `before`: so many rounds are done."""
    consumer = at.processes["consumer"]
    at.wait_until_quiet()
    consumer.freeze()
    at.produce(new_records(Kind.PLAIN, EVENTS, "user"))
    meter = Meter(at.pids)
    consumer.thaw()
    at.wait_until_drained((before + 1) * EVENTS)
    return meter.stop(EVENTS)


def _figures(rows: int, measured: Mapping[str, Sequence[Measurement]]) -> Iterator[Figure]:
    cpu = {name: spread([each.all_cpu_us for each in some]) for name, some in measured.items()}
    rate = {name: spread([each.rate for each in some]) for name, some in measured.items()}
    for name, found in cpu.items():
        label = f"an event, {f'{rows:,} rows' if name == FULL else 'nothing'} in the inbox"
        yield Figure(f"{label} ({found.least:.1f} to {found.most:.1f})", found.median, "µs of CPU")
        yield Figure(f"{label} ({rate[name].least:,.0f} to {rate[name].most:,.0f})", rate[name].median, "events/s")
    yield Figure("CPU of an event: full, so many times empty", cpu[FULL].median / cpu[EMPTY].median, "x", MOST_TIMES)
