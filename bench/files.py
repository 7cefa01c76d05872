"""How fast `process_events` applies a file, from its start to its end, with Redis written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bench.events import revenue_line
from bench.figures import Figure
from bench.site import Services, peak_mb, site
from tests.pipeline.processes import Process
from tests.pipeline.stack import Stack

PEAK_MB = 300
SAMPLE_S = 0.3  # a look at all processes costs some of what is measured


def measure(services: Services, lines: int) -> Iterator[Figure]:
    with site(services, "files") as stack:
        file = stack.folder / "revenue.jsonl"
        with file.open("wb") as out:
            out.writelines(revenue_line(number) for number in range(lines))
        seconds, peak = _process(stack, file)
        assert stack.count("processing_inboxevent") == stack.count("revenue_ledgerentry") == lines
        assert stack.count("processing_hotstateoutbox") == 0, "Redis was not written as the file went on"
        yield Figure("process_events, a file of revenue", lines / seconds, "lines/s", 30_000)
        yield Figure("  its peak memory", peak, "MB", PEAK_MB, at_most=True)
        seconds, _ = _process(stack, file)
        yield Figure("  the same file once more", lines / seconds, "lines/s")


def _process(stack: Stack, file: Path) -> tuple[float, float]:
    """Seconds and peak memory of a run."""
    started = time.perf_counter()
    process = Process(f"python manage.py process_events {file}", stack.environment, file.with_suffix(".log"))
    process.meant_to_run = False  # it ends by itself
    stack.processes.append(process)
    peak = 0.0
    while process.is_running():
        peak = max(peak, peak_mb(process))
        time.sleep(SAMPLE_S)
    assert " 0 refused" in process.output(), process.output()
    return time.perf_counter() - started, peak
