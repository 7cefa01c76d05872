"""The web server's own process, whose services are away."""

from __future__ import annotations

import os
import subprocess
import sys

from eventsite.local.services.process import free_port
from tests.paths import ROOT

# The signal comes while the main thread has the lock of the flag that it waits for, as `wait` has for an instant.
SIGNALLED_AT_A_BAD_MOMENT = """
import os, signal, threading
from granian.server import Server

class Flag(threading.Event):
    def wait(self, timeout=None):
        with self._cond:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().wait(timeout)

def serve_flagged(self, *arguments, **options):
    self.main_loop_interrupt = Flag()
    return serve_as_ever(self, *arguments, **options)

serve_as_ever, Server.serve = Server.serve, serve_flagged
from eventsite.web import serve
serve()
"""
ENVIRONMENT = {
    "IGNORE_ENV_FILES": "1",
    "DEBUG": "1",
    "DJANGO_SETTINGS_MODULE": "eventsite.settings",
    "DATABASE_URL": "postgres://somebody:secret@127.0.0.1:1/events",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
}
ENDS_WITHIN_S = 300  # else it never does


def test_a_signal_within_the_flags_own_lock_ends_it() -> None:
    environment = {"PATH": os.environ["PATH"], "WEB_PORT": str(free_port()), **ENVIRONMENT}
    command = [sys.executable, "-c", SIGNALLED_AT_A_BAD_MOMENT]
    ended = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False
    )
    assert ended.returncode == 0, ended.stderr
