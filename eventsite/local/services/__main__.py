"""`make services`: Postgres, Redis and a real Apache Kafka, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping

from eventsite import env, runfile
from eventsite.local import embedded
from eventsite.local.run import VAR, complete
from eventsite.local.services.kafka import Kafka
from eventsite.local.services.postgres import Postgres
from eventsite.local.services.process import ServiceFailed
from eventsite.local.services.service import Service
from eventsite.local.services.valkey import Valkey
from eventsite.local.signals import StopRequests
from eventsite.parent import die_with_parent
from eventsite.place import BASE

ENV_FILE = VAR / "services.env"
DATA = VAR / "services"
KAFKA_LIBRARIES = VAR / "kafka-libs"


def main() -> None:
    if "MAKELEVEL" in os.environ:
        die_with_parent(signal.SIGTERM)  # a make that was killed would leave us behind
    requests = StopRequests()
    variables = complete(env.load(BASE))
    mode: dict[str, str] = {name: value for name, value in variables.items() if name in ("DEBUG", "SECRET_KEY")}
    try:
        with runfile.held(ENV_FILE):
            _run(mode, requests)
    except runfile.StackIsUp as error:
        sys.exit(f"make services is up here already (process {error}): its addresses are in {ENV_FILE}")
    except ServiceFailed as error:
        sys.exit(str(error))


def _run(mode: Mapping[str, str], requests: StopRequests) -> None:
    services: list[Service] = [
        Postgres(DATA / "postgres"),
        Valkey(DATA / "redis"),
        Kafka(DATA / "kafka", KAFKA_LIBRARIES),
    ]
    with embedded.running(services, say) as addresses:
        variables = {**addresses, **mode}
        runfile.write(ENV_FILE, variables)
        _say_addresses(variables)
        while not requests.count:
            embedded.revive(services, say)
            time.sleep(0.2)


def _say_addresses(addresses: Mapping[str, str]) -> None:
    say("up; Ctrl-C ends them. While they are up, everything started in this checkout uses them. Elsewhere:")
    for name, value in addresses.items():
        say(f"export {name}={value}")


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
