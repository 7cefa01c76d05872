"""Debian's Prometheus on a running stack: it takes what the processes tell, each query of the dashboard finds its
series, and the alert rules fire in their tests.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from eventsite.local.services.process import free_port
from eventsite.local.services.service import Service
from tests.paths import ROOT
from tests.pipeline.conftest import MakeStack
from tests.pipeline.load import mixed
from tests.pipeline.processes import wait_until
from tests.pipeline.stack import Stack
from tests.release.debian import needs

pytestmark = [pytest.mark.pipeline, needs("prometheus", "prometheus")]

DEPLOY = ROOT / "deploy"
# only there while something is wrong, or another producer's transaction is open
MAY_BE_EMPTY = ("processing_open_transaction_seconds", "events_waiting_for_kind", "processing_waiting_lanes")
RATE = "1m"


class Prometheus(Service):
    name = "Prometheus"
    variable = "PROMETHEUS"

    def __init__(self, folder: Path, targets: Sequence[str]) -> None:
        super().__init__(folder)
        self.targets = targets

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        scraped = {"job_name": "all", "static_configs": [{"targets": list(self.targets)}]}
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(DEPLOY / "alerts.yml")],
            "scrape_configs": [scraped],
        }
        (self.folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML too

    def command(self) -> Sequence[str]:
        return [
            "prometheus",
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def finish_start(self) -> None:
        wait_until(self._is_ready, 30, "Prometheus is ready")

    def _is_ready(self) -> bool:
        try:
            return bool(urlopen(f"{self.address}/-/ready", timeout=2).status == HTTPStatus.OK)
        except OSError:
            return False

    def query(self, expression: str) -> list[dict[str, object]]:
        """Its result; an expression that Prometheus refuses is an HTTP error."""
        with urlopen(f"{self.address}/api/v1/query?{urlencode({'query': expression})}", timeout=10) as answer:
            found: list[dict[str, object]] = json.load(answer)["data"]["result"]
        return found


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture
def running(database: str, make_stack: MakeStack, ports: tuple[int, int]) -> Stack:
    stack = make_stack(database)
    stack.start("beat")
    stack.start("web")
    stack.start("consumer", METRICS_PORT=str(ports[0]))
    stack.start("worker", METRICS_PORT=str(ports[1] - 1))
    return stack


@pytest.fixture
def prometheus(tmp_path: Path, running: Stack, ports: tuple[int, int]) -> Iterator[Prometheus]:
    every = [running.environment["WEB_PORT"], *map(str, ports)]
    with Prometheus(tmp_path / "prometheus", [f"127.0.0.1:{port}" for port in every]) as service:
        yield service


def queries() -> list[str]:
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(found) > 20
    return [each.replace("$__rate_interval", RATE) for each in found]


def test_the_dashboards_queries_find_their_series(running: Stack, prometheus: Prometheus) -> None:
    events = mixed(2_000, users=50, chance=random.Random(1))
    running.produce(event.record() for event in events)
    running.wait_until_final(len({event.id for event in events}))
    running.wait_until(lambda: len(prometheus.query("up == 1")) == 3, "all three are scraped")
    until = time.monotonic() + 60
    wanted = [each for each in queries() if not any(name in each for name in MAY_BE_EMPTY)]
    missing = wanted
    while missing and time.monotonic() < until:
        missing = [each for each in missing if not prometheus.query(each)]
        time.sleep(1)
    assert [each for each in missing if "door_events_total" not in each] == []  # nobody has posted
    for each in queries():
        prometheus.query(each)  # is one that Prometheus can read
    counted = prometheus.query('sum(processing_events_total{outcome="processed"})')
    value = counted[0]["value"]
    assert isinstance(value, list)
    assert float(value[1]) == running.value("SELECT count(*) FROM processing_inboxevent WHERE status = 'processed'")


def test_promtool_finds_nothing_wrong_with_what_they_tell(running: Stack, prometheus: Prometheus) -> None:
    running.wait_until(lambda: len(prometheus.query("up == 1")) == 3, "all three serve their metrics")
    for target in prometheus.targets:
        text = urlopen(f"http://{target}/metrics", timeout=10).read()
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b""), target


def test_the_alert_rules_fire_in_their_tests() -> None:
    for command in (["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]):
        subprocess.run(["promtool", *command], cwd=DEPLOY, check=True)
