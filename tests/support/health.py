"""What a pipeline's processes say of themselves: the web server at its port, consumer and worker at METRICS_PORT."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from tests.pipeline.processes import Process
from tests.pipeline.stack import Stack

SERVED = "serving health and metrics"


def ask(url: str, body: object = None) -> tuple[int, str]:
    """Status and text; 0 while nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def ask_web(stack: Stack, path: str, body: object = None) -> tuple[int, str]:
    return ask(f"http://127.0.0.1:{stack.environment['WEB_PORT']}{path}", body)


class Health:
    """Of a process that was started with METRICS_PORT."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def port(self) -> int | None:
        """Where it serves, as its log says; None as long as it does not."""
        _, _, line = self._process.output().partition(SERVED)
        return int(line.partition("port=")[2].split()[0]) if "port=" in line and "\n" in line else None

    def ask(self, path: str) -> tuple[int, str]:
        return ask(f"http://127.0.0.1:{self.port()}{path}") if self.port() else (0, "")

    def is_served(self) -> bool:
        return self.ask("/health/live") == (200, '{"status": "live"}')

    def is_ready(self) -> bool:
        return self.ask("/health/ready")[0] == 200

    def failing(self) -> dict[str, str]:
        """Why it is not ready; empty when it is."""
        status, text = self.ask("/health/ready")
        assert status in (200, 503), "it does not serve"
        return dict(json.loads(text).get("failing", {}))
