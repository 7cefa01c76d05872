"""`make bench`, `make bench-against REV=…`: run the parts, print the tables in Markdown."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from bench import backlog, beside, crowds, fullness, limits, lists, pages, redis_memory, replay, report, steady
from bench.figures import Figure, table
from bench.machine import machine
from bench.parts import AGAINST, ALONE, PARTS
from bench.revisions import Revision, built, this_checkout
from bench.rounds import WARM_UP, Run, run_rounds, say, warm_up
from bench.services import Services, services

INSIDE: dict[str, tuple[Callable[[Services, int], Iterator[Figure]], int]] = {  # and how many events by default
    "limits": (limits.measure, 200_000),
    "crowds": (crowds.measure, 10_000),
    "steady": (steady.measure, 10_000),
    "redis_memory": (redis_memory.measure, 50_000),
    "backlog": (backlog.measure, 1_000_000),
    # minutes, or a page of plans: only when asked for
    "replay": (replay.measure, 1_000_000),
    "beside": (beside.measure, 1_000_000),
    "lists": (lists.measure, 10_000_000),
    "pages": (pages.measure, 10_000_000),
    "fullness": (fullness.measure, 50_000_000),
}
ROUNDS, PAIRS = 3, 5


def main() -> None:
    options = _options()
    revisions = [*([built(options.against)] if options.against else []), this_checkout()]
    started = time.monotonic()
    failures: list[str] = []
    with services(embedded_broker=options.embedded_broker) as up:
        for line in (f"On {machine()}, all of it on this one.", f"{up.versions()}."):
            print(line, flush=True)
        print("; ".join(f"{each.label}: Python {each.python}" for each in revisions) + ".\n", flush=True)
        parts = options.part or ([*AGAINST] if options.against else [*ALONE, "limits"])
        warm_up(up, options.events or WARM_UP)
        runs = _measure(up, revisions, [part for part in parts if part in PARTS], options, failures)
        figures = list(_figures(up, [part for part in parts if part in INSIDE], options.events))
    _print(runs, figures, revisions)
    if options.json:
        told = {"runs": [asdict(run) for run in runs], "figures": [asdict(figure) for figure in figures]}
        options.json.write_text(json.dumps(told, indent=2), encoding="utf-8")
    say(f"took {time.monotonic() - started:.0f} s")
    if failures:
        sys.exit("\n".join([f"{len(failures)} runs FAILED:", *failures]))


def _measure(
    up: Services, revisions: Sequence[Revision], parts: Sequence[str], options: argparse.Namespace, failures: list[str]
) -> list[Run]:
    if not parts:
        return []
    rounds = options.rounds or (PAIRS if options.against else ROUNDS)
    return list(run_rounds(up, revisions, parts, rounds=rounds, events=options.events, failures=failures))


def _figures(up: Services, parts: Sequence[str], events: int | None) -> Iterator[Figure]:
    for name in parts:
        say(f"{name} …")
        measure, size = INSIDE[name]
        yield from measure(up, events or size)


def _print(runs: Sequence[Run], figures: Sequence[Figure], revisions: Sequence[Revision]) -> None:
    tables = [table(figures)] if figures else []
    if runs:
        by_process = [report.cpu_by_process(runs), report.peak_by_process(runs), report.raw(runs)]
        labels = [revision.label for revision in revisions]
        first = report.comparison(runs, *labels) if len(labels) == 2 else report.summary(runs)
        tables = [first, *tables, *by_process]
    print("\n\n".join(tables))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--against", metavar="REV", help="measure this revision too, in turn, and compare")
    parser.add_argument("--part", action="append", choices=[*PARTS, *INSIDE], help="only this; can be given again")
    parser.add_argument("--rounds", type=int, help=f"of each part: {ROUNDS}, with --against {PAIRS}")
    parser.add_argument("--events", type=int, help="so many events in each part, instead of its own number")
    parser.add_argument("--embedded-broker", action="store_true", help="not the real Kafka, even where there is Java")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
