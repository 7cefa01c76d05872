"""`make run`: everything on one machine, from the database to the admin, until Ctrl-C or SIGTERM.

`make dev` (`--reload`): the same, and what runs our code starts again when the code changes.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from eventsite import env, runfile
from eventsite.local import embedded
from eventsite.local.reload import CodeChanges
from eventsite.local.services.process import ServiceFailed, port_is_open, spawn, stop
from eventsite.local.services.service import Service
from eventsite.local.signals import StopRequests
from eventsite.local.supervisor import Supervisor, read_procfile
from eventsite.parent import die_with_parent
from eventsite.place import BASE
from eventsite.web import require_free_port

VAR = BASE / "var"
RUN_FILE = VAR / "run.env"
STOP_WITHIN_S = 10.0
DRAIN_WITHIN_S = 30
RELOADED = ("web", "consumer", "worker")
CELERY = "celery --quiet -A eventsite"
PROCESSES = {  # as in the Procfile
    "web": "python -m eventsite.web",
    "consumer": "python -m eventsite consume_kafka",
    "worker": f"{CELERY} worker --pool threads --concurrency 4 --without-gossip --without-mingle --without-heartbeat "
    "--loglevel INFO",
    "beat": f"{CELERY} beat --loglevel INFO",
}
MANAGE = (sys.executable, "-m", "eventsite")


def main() -> None:
    parser = argparse.ArgumentParser(prog="eventsite.run")
    parser.add_argument("--reload", action="store_true", help="start web, consumer and worker again when code changes")
    parser.add_argument("--services", action="store_true", help="Postgres, Redis and a broker alone, for your project")
    options = parser.parse_args()
    if "MAKELEVEL" in os.environ:
        die_with_parent(signal.SIGTERM)  # a make that was killed would leave us behind
    requests = StopRequests()
    variables = complete(env.load(BASE))
    os.environ.update(variables)
    port = settings.WEB_PORT  # the first look at the settings, which say what is wrong
    try:
        with runfile.held(RUN_FILE):
            if options.services:
                return _run_services(requests)
            require_free_port(settings.WEB_HOST, port)
            _run(variables, requests, reload=options.reload)
    except runfile.StackIsUp as error:
        sys.exit(f"make run is up here already (process {error}): its addresses are in {RUN_FILE}")
    except ServiceFailed as error:
        sys.exit(str(error))


def _run_services(requests: StopRequests) -> None:
    """Without a run file: nothing of ours uses them."""
    services = embedded.laptop_services(VAR)
    with embedded.running(services, say) as addresses:
        say("up; Ctrl-C ends them. In the terminals of your project:")
        for name, value in addresses.items():
            print(f"export {name}={value}", flush=True)
        while not requests.count:
            embedded.revive(services, say)
            time.sleep(0.2)


def complete(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of a stack for development: DEBUG on unless it is set, and then a key of its own."""
    completed = {"DEBUG": "1", **variables}
    if not completed.get("SECRET_KEY") and env.is_true(completed["DEBUG"]):
        completed["SECRET_KEY"] = _kept_secret(VAR / "secret-key")
    return completed


def _kept_secret(file: Path) -> str:
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(50), encoding="ascii")
    return file.read_text(encoding="ascii").strip()


def _run(variables: Mapping[str, str], requests: StopRequests, *, reload: bool) -> None:
    services = embedded.not_set(embedded.laptop_services(VAR), variables)
    with embedded.running(services, say) as addresses:
        environment = {
            **variables,
            **addresses,
            "IGNORE_ENV_FILES": "1",  # ours are decided, whatever becomes of the files
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{variables.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
        }
        if not _prepare(environment, requests):
            return
        runfile.write(RUN_FILE, published(environment))
        supervisor = Supervisor(processes(BASE), environment, BASE, say_for)
        try:
            _watch(supervisor, services, requests, CodeChanges(_code()) if reload else None)
        finally:
            _stop(supervisor, requests, drain="KAFKA_BOOTSTRAP_SERVERS" in addresses)


def processes(folder: Path) -> dict[str, str]:
    """Those of the folder's Procfile; a wheel has none."""
    return read_procfile(folder) if (folder / "Procfile").is_file() else PROCESSES


def published(environment: Mapping[str, str]) -> dict[str, str]:
    """What `var/run.env` says: what was set, and what we added to it."""
    names = settings.ENVIRONMENT_VARIABLES | {name for name in environment if name.startswith("KAFKA_SECURITY_")}
    return {
        "WEB_PORT": str(settings.WEB_PORT),
        **{name: environment[name] for name in sorted(names & set(environment))},
    }


def _prepare(environment: Mapping[str, str], requests: StopRequests) -> bool:
    """Migrations, topics, static files, the admin's login. Returns whether we may go on."""
    process = spawn([*MANAGE, "prepare", "--admin"], death_signal=signal.SIGTERM, folder=BASE, environment=environment)
    while process.poll() is None and not requests.count:
        time.sleep(0.05)
    stop(process, signal.SIGTERM, STOP_WITHIN_S)
    if process.returncode and not requests.count:
        raise ServiceFailed("preparing failed, see above: `make reset` empties what is in var/")
    return not requests.count


def _code() -> list[Path]:
    """The folders of the apps that are ours."""
    names = {app.partition(".")[0] for app in settings.INSTALLED_APPS}
    return [BASE / name for name in sorted(names) if (BASE / name).is_dir()]


def _watch(
    supervisor: Supervisor, services: list[Service], requests: StopRequests, changes: CodeChanges | None
) -> None:
    ready = False
    while not requests.count:
        supervisor.step(0.2)
        if changes is not None and changes.any_since():
            say(f"code has changed: {', '.join(RELOADED)} start again")
            supervisor.restart(RELOADED)
        embedded.revive(services, say)
        if not ready and port_is_open(settings.WEB_PORT):
            ready = True
            _say_where_to_look()
            if any(service.variable == "KAFKA_BOOTSTRAP_SERVERS" for service in services):
                say(
                    "transactional producers need a real Kafka, see docs/running.md: this broker hands out aborted ones"
                )


def _say_where_to_look() -> None:
    url = f"http://127.0.0.1:{settings.WEB_PORT}"
    say(f"ready: {url}/admin/ (the login stands above), {url}/docs, {url}/health/ready; Ctrl-C ends it all")


def _stop(supervisor: Supervisor, requests: StopRequests, *, drain: bool) -> None:
    """First those that bring in work, then those that do it."""
    say("stopping")
    supervisor.stop({"web", "beat"}, STOP_WITHIN_S, requests.killing)
    if drain:
        _drain(supervisor, requests)
    supervisor.stop(set(supervisor.children), STOP_WITHIN_S, requests.killing)


def _drain(supervisor: Supervisor, requests: StopRequests) -> None:
    """The embedded broker forgets what nobody read: leave the consumer the time to read it."""
    command = [*MANAGE, "drain", "--timeout", str(DRAIN_WITHIN_S)]
    process = spawn(command, death_signal=signal.SIGTERM, folder=BASE, environment=supervisor.environment)
    while process.poll() is None and not requests.hurried():
        supervisor.step(0.2)
    stop(process, signal.SIGTERM, 1)


def say(line: str) -> None:
    say_for("run", line)


def say_for(name: str, line: str) -> None:
    print(f"{name:<9}| {line}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eventsite.settings")
    main()
