"""The ways to run the site name the same processes, which start alike."""

from __future__ import annotations

import gc

import yaml

from eventsite import COLLECTED_AT
from eventsite.local.supervisor import read_procfile
from tests.paths import ROOT


def test_compose_runs_the_lines_of_the_procfile() -> None:
    lines = read_procfile(ROOT)
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert {name: services[name]["command"] for name in lines} == lines


def test_compose_opens_its_ports_on_this_machine_only() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_garbage_is_looked_for_as_ever_once_all_is_imported() -> None:
    assert gc.get_threshold() == COLLECTED_AT
    assert COLLECTED_AT[0] < 100_000
