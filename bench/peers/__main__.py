"""`make bench-peers`: our pipeline and other people's ways in turn, on one input, in one run.

What a peer needs and this machine does not have is named; the others are measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from bench import consume, parts, report
from bench.environments import ProgramFailed
from bench.machine import machine
from bench.measure import Measurement
from bench.peers.catalog import PARTS, PEERS, Peer
from bench.revisions import Revision, this_checkout
from bench.rounds import WARM_UP, Run, attempt, say, warm_up
from bench.services import Services, services
from bench.site import Site, site

ROUNDS = 3


def main() -> None:
    options = _options()
    started = time.monotonic()
    ours = this_checkout()
    failures: list[str] = []
    ready = list(_prepared([peer for peer in PEERS if peer.environment.name in options.peer], failures))
    with services(embedded_broker=False) as up:
        for line in (f"On {machine()}, all of it on this one.", f"{up.versions()}.\n"):
            print(line, flush=True)
        warm_up(up, WARM_UP)
        runs = list(_rounds(up, ours, ready, options, failures))
    print(report.beside(runs, ours.label), report.cpu_by_process(runs), report.raw(runs), sep="\n\n")
    say(f"took {time.monotonic() - started:.0f} s")
    if failures:
        sys.exit("\n".join([f"{len(failures)} runs FAILED:", *failures]))


def _prepared(peers: Iterable[Peer], failures: list[str]) -> Iterator[Peer]:
    for peer in peers:
        if missing := peer.environment.missing():
            say(f"{peer.label}: not measured, it needs {' and '.join(dict.fromkeys(missing))}")
            continue
        say(f"{peer.label} gets ready")
        try:
            peer.prepare()
            yield peer
        except ProgramFailed as error:
            failures.append(str(error))


def _rounds(
    up: Services, ours: Revision, peers: Sequence[Peer], options: argparse.Namespace, failures: list[str]
) -> Iterator[Run]:
    """Every part, ours and each peer's, one right after the other; the order is turned each time."""
    for number in range(1, options.rounds + 1):
        for part in options.part or PARTS:
            size = min(PARTS[part], options.events or PARTS[part])
            programs = [(ours, parts.PARTS[part].measure, size)]
            if part == "stored":  # the peers write no Redis
                label = f"{ours.label}, HOT_STATE=off"
                programs.append((replace(ours, label=label), partial(consume.stored, hot_state="off"), size))
            programs += [
                (each.revision, each.parts[part], min(size, each.few or size)) for each in peers if part in each.parts
            ]
            for revision, measure, events in programs if number % 2 else programs[::-1]:
                named = f"round {number} of {options.rounds}, {parts.PARTS[part].title}, {revision.label}"
                if measured := attempt(named, partial(_measure, up, revision, measure, events), failures):
                    yield Run(number, part, revision.label, measured)


def _measure(up: Services, revision: Revision, measure: Callable[[Site, int], Measurement], events: int) -> Measurement:
    with site(up, revision) as at:
        return measure(at, events)


def _options() -> argparse.Namespace:
    names = [peer.environment.name for peer in PEERS]
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("peer", nargs="*", default=names, help=f"only these, of {', '.join(names)}")
    parser.add_argument("--part", action="append", choices=[*PARTS], help="only this; can be given again")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--events", type=int, help="in each part, at most")
    return parser.parse_args()


if __name__ == "__main__":
    main()
