"""Runs in a process of its own, on the database of its environment: does batches when it is told to.

Each line of its standard input is answered by a line of JSON: `batch` by what a batch took, `plans` by the plans of a
batch's statements.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import django

django.setup()

from django.db import connection  # noqa: E402

from bench.events import Kind, records  # noqa: E402
from processing.domain.messages import Arrival, Message, read_message  # noqa: E402
from processing.engine.process_batch import process_batch  # noqa: E402
from tests.support.plans import plans_of_statements  # noqa: E402

SIZE = 2_000  # CONSUMER_BATCH_SIZE's default


def batches(kind: Kind, count: int) -> Iterator[list[Arrival]]:
    events = records(kind, count * SIZE)
    for start in range(0, len(events), SIZE):
        read = [
            read_message(Message("events", 0, start + place, record.key, record.value))
            for place, record in enumerate(events[start : start + SIZE])
        ]
        yield [each for each in read if isinstance(each, Arrival)]


def measure(batch: list[Arrival]) -> dict[str, float]:
    """In ms: by the clock, and of the CPU of this process and of Postgres' backend."""
    cpu, started = _cpu_ms(), time.perf_counter()
    process_batch(batch, [])
    return {"wall": (time.perf_counter() - started) * 1000, "cpu": _cpu_ms() - cpu}


def explain(batch: list[Arrival]) -> list[str]:
    with plans_of_statements() as plans:
        process_batch(batch, [])
    return plans


def _cpu_ms() -> float:
    connection.ensure_connection()
    scheduled = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text(encoding="ascii")
    return time.process_time() * 1000 + int(scheduled.split()[0]) / 1e6


def main() -> None:
    prepared = batches(Kind(sys.argv[1]), int(sys.argv[2]))
    for line in sys.stdin:
        batch = next(prepared)
        told = explain(batch) if line.strip() == "plans" else measure(batch)
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
