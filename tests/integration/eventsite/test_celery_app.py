"""Which Celery app a process has."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.paths import ROOT

THREAD = """
import threading, django
django.setup()
from celery import current_app
thread = threading.Thread(target=lambda: print(current_app.main))
thread.start()
thread.join()
"""


def test_a_shared_task_that_follows_events_leaves_the_sites_app_to_all_threads() -> None:
    """Consumers send from threads; asked too early, Celery would make them an app without the site's broker."""
    done = subprocess.run(
        [sys.executable, "-c", THREAD],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.warehouse_settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "eventsite\n", done.stderr
