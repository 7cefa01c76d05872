"""The ways to run the site name the same processes."""

from __future__ import annotations

import yaml

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
