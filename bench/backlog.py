"""How much memory each process takes at most while a backlog is worked off, and that nothing of it is lost."""

from __future__ import annotations

from collections.abc import Iterator

from bench.events import Kind, new_records
from bench.figures import Figure
from bench.ingest import PATH
from bench.measure import Meter
from bench.revisions import this_checkout
from bench.services import Services
from bench.site import site

AT_MOST_MB = 250


def measure(services: Services, events: int) -> Iterator[Figure]:
    """All processes start after the backlog is there."""
    with site(services, this_checkout()) as at:
        at.produce(new_records(Kind.PLAIN, events, "user"))
        at.start(*PATH)
        meter = Meter(at.pids)
        at.wait_until_drained(events, timeout_s=600)
        measured = meter.stop(events)
        at.require_value("SELECT count(*) FROM processing_inboxevent WHERE status = 'processed'", events)
    name = f"a backlog of {events:,}"
    yield Figure(f"{name}: from the processes' start to lag 0", measured.rate, "events/s")
    for process in PATH:
        yield Figure(f"{name}: peak memory of {process}", measured.peak_mb[process], "MB", AT_MOST_MB)
