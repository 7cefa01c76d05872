"""`make bench`: run the parts, print a table."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from bench import consume, files, ingest, lists
from bench.figures import Figure, table
from bench.site import Services, services

Part = Callable[[Services, int], Iterator[Figure]]

PARTS: dict[str, tuple[Part, int]] = {  # and how many events each takes by default
    "consume": (consume.measure, 200_000),
    "batches": (ingest.batches, 100_000),
    "singles": (ingest.singles, 10_000),
    "end-to-end": (ingest.end_to_end, 50_000),
    "process_events": (files.measure, 300_000),
    "lists": (lists.measure, 10_000_000),
}
ONLY_WHEN_ASKED_FOR = {"lists"}  # minutes, and a page of plans


def main() -> None:
    options = _options()
    figures: list[Figure] = []
    with services(embedded_broker=options.embedded_broker) as up:
        broker = "Apache Kafka" if up.real_kafka else "the embedded broker (a real Kafka needs java and mvn)"
        print(f"on {broker}, Postgres and Valkey, all of it on this machine; Python {platform.python_version()}")
        for name in options.part or [name for name in PARTS if name not in ONLY_WHEN_ASKED_FOR]:
            part, events = PARTS[name]
            for figure in part(up, options.events or events):
                figures.append(figure)
                print(table([figure]), file=sys.stderr, flush=True)
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; can be given several times")
    parser.add_argument("--events", type=int, help="so many events in each part, instead of its own number")
    parser.add_argument("--embedded-broker", action="store_true", help="not the real Kafka, even where there is Java")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
