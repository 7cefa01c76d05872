"""What a batch costs beside events of a paused kind that wait, against as many that are done with, and against none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from statistics import median
from typing import Any

import psycopg

from bench.beside_rows import put_processed, put_waiting
from bench.events import Kind
from bench.figures import Figure
from bench.revisions import ROOT, this_checkout
from bench.rounds import spread
from bench.services import Services
from bench.site import site

ROUNDS, WARM_UP = 60, 5
MOST_PERCENT = 3  # more than beside as many events that are done with, at most
NOTHING, PROCESSED, WAITING = "nothing", "processed", "waiting"
BESIDE: Mapping[str, Callable[[psycopg.Connection[Any], int], None]] = {
    NOTHING: lambda connection, rows: None,
    PROCESSED: put_processed,
    WAITING: put_waiting,
}


class Batches:
    """A process that does batches on one database."""

    def __init__(self, stack: ExitStack, environment: Mapping[str, str], kind: Kind) -> None:
        command = [sys.executable, "-m", "bench.beside_batches", kind.value, str(ROUNDS + WARM_UP + 1)]
        self._process = stack.enter_context(
            subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        stack.callback(self._process.terminate)

    def ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


def measure(services: Services, events: int) -> Iterator[Figure]:
    """The batches alternate between the databases; each round begins with another one. Prints plans that differ."""
    for kind in (Kind.NUMBERED, Kind.GAMES):
        with ExitStack() as stack:
            at = {name: stack.enter_context(site(services, this_checkout())) for name in BESIDE}
            for name, put in BESIDE.items():
                with psycopg.connect(at[name].database, autocommit=True) as connection:
                    put(connection, events)
                    connection.execute("CHECKPOINT")
            settings = {"DJANGO_SETTINGS_MODULE": "eventsite.settings"}
            asked = {name: Batches(stack, {**at[name].environment, **settings}, kind) for name in BESIDE}
            yield from _figures(kind, events, asked)


def _figures(kind: Kind, events: int, asked: Mapping[str, Batches]) -> Iterator[Figure]:
    names = list(asked)
    rounds: list[dict[str, dict[str, float]]] = []
    for number in range(WARM_UP + ROUNDS):
        in_turn = names[number % 3 :] + names[: number % 3]
        told = {name: asked[name].ask("batch") for name in in_turn}
        if number >= WARM_UP:
            rounds.append(told)
    for what, unit in (("cpu", "ms of CPU"), ("wall", "ms")):
        for name in names:
            beside = name if name == NOTHING else f"{events:,} {name}"
            found = spread([each[name][what] for each in rounds])
            label = f"a batch, {kind}, beside {beside} ({found.least:.1f} to {found.most:.1f})"
            yield Figure(label, found.median, unit)
        for name in (PROCESSED, NOTHING):
            more = median(100 * (each[WAITING][what] / each[name][what] - 1) for each in rounds)
            most = MOST_PERCENT if (name, what) == (PROCESSED, "cpu") else None
            yield Figure(f"{kind}, {unit}: waiting more than {name}, median of the pairs", more, "%", most)
    _print_plans(kind, {name: asked[name].ask("plans") for name in names})


def _print_plans(kind: Kind, plans: Mapping[str, list[str]]) -> None:
    print(f"Plans of a batch's statements, {kind}:")
    for number, plan in enumerate(plans[NOTHING]):
        print(f"{plan}\n")
        for name in (PROCESSED, WAITING):
            if plans[name][number] != plan:
                print(f"differs beside {name}:\n{plans[name][number]}\n")
