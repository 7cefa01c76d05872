"""How long a page of the lists takes in tables of millions of rows, and what Postgres does for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg

from bench.figures import Figure
from bench.list_rows import TABLES, fill
from bench.revisions import ROOT, this_checkout
from bench.services import Services
from bench.site import site

PAGE_SIZE = 50
PAGE_MS = 50


def measure(services: Services, events: int) -> Iterator[Figure]:
    """Prints each page's plans; one that `goes on` stopped looking before it was full."""
    with site(services, this_checkout()) as at:
        with psycopg.connect(at.database, autocommit=True) as connection:
            for table, statement in TABLES.items():
                fill(connection, table, statement, events)
        command = [sys.executable, "-m", "bench.list_queries", str(events)]
        environment = {**at.environment, "DJANGO_SETTINGS_MODULE": "eventsite.settings"}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                yield _figure(json.loads(line))
        assert process.returncode == 0, f"{' '.join(command)} failed"


def _figure(told: dict[str, Any]) -> Figure:
    goes_on = ", goes on" if told["more"] and told["shown"] < PAGE_SIZE else ""
    print(f"{told['question']}\n  {told['ms']:.1f} ms (first {told['first']:.1f}), {told['shown']} events{goes_on}")
    for plan in told["plans"]:
        print("".join(f"  {'-' if number == 0 else ' '} {node}\n" for number, node in enumerate(plan)), end="")
    return Figure(told["question"], told["ms"], "ms", PAGE_MS)
