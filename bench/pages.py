"""How long the operator's pages take with ten million events and a million dead letters, and what they read most of."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import psycopg

from bench import list_rows, page_rows
from bench.figures import Figure
from bench.revisions import ROOT, this_checkout
from bench.services import Services
from bench.site import site

PAGE_MS = 300


def measure(services: Services, events: int) -> Iterator[Figure]:
    """Each page's time when it is opened first and then, and of all steps of its plans the one that read most rows."""
    with site(services, this_checkout()) as at:
        with psycopg.connect(at.database, autocommit=True) as connection:
            for table, statement in list_rows.TABLES.items():
                list_rows.fill(connection, table, statement, events)
            page_rows.fill(connection, events)
        environment = {**at.environment, "DJANGO_SETTINGS_MODULE": "eventsite.settings", "ALLOWED_HOSTS": "testserver"}
        environment["HTTPS_ONLY"] = "0"
        command = [sys.executable, "-m", "bench.page_times"]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                told = json.loads(line)
                times = f"{told['ms']:.0f} ms (first {told['first']:.0f}), {told['cpu_ms']:.0f} of this process's CPU"
                print(f"{told['page']}\n  {times}; most: {told['most']}")
                yield Figure(told["page"], told["ms"], "ms", PAGE_MS)
        assert process.returncode == 0, f"{' '.join(command)} failed"
