"""Every process starts with settings that can be used, or says in one line each why not."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.paths import ROOT

PROCESSES = {
    "manage.py": [sys.executable, "manage.py", "check"],
    "web": [sys.executable, "-m", "eventsite.web"],
    "celery": [str(Path(sys.executable).parent / "celery"), "-A", "eventsite", "beat"],
    "make run": [sys.executable, "-m", "eventsite.local.run"],
}


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "IGNORE_ENV_FILES": "1", **variables}
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_value_that_cannot_be_used_stops_every_process_in_one_line(process: str) -> None:
    done = run(PROCESSES[process], DEBUG="1", RATE_LIMIT_PER_USER="many")
    assert done.returncode == 1
    assert done.stderr == (
        "RATE_LIMIT_PER_USER='many' cannot be used: allowed is a whole number from 0 to 2147483647\n"
    )


def test_an_attribute_of_cloudevents_has_a_name_that_they_allow() -> None:
    done = run(PROCESSES["manage.py"], DEBUG="1", CLOUDEVENTS_USER="userId")
    assert done.returncode == 1
    assert "CLOUDEVENTS_USER" in done.stderr and "lower-case letters and digits" in done.stderr


@pytest.mark.parametrize("process", ["manage.py", "celery"])
def test_only_a_declared_family_can_park(process: str) -> None:
    done = run(PROCESSES[process], DEBUG="1", FAMILY_ON_FAILURE="games=park")
    assert done.returncode == 1
    assert done.stderr == (
        "FAMILY_ON_FAILURE='games=park' cannot be used: no family is called games; allowed are game, product, revenue\n"
    )


@pytest.mark.parametrize("process", ["manage.py", "web", "celery"])
def test_with_debug_off_and_no_secret_key_nothing_starts(process: str) -> None:
    done = run(PROCESSES[process])
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("SECRET_KEY is not set and DEBUG is off")


def test_make_run_with_debug_switched_off_needs_a_secret_key_too() -> None:
    assert run(PROCESSES["make run"], DEBUG="0").stderr.startswith("SECRET_KEY is not set")


@pytest.mark.parametrize("process", ["web", "celery"])
def test_without_a_service_to_connect_to_it_says_what_to_do(process: str) -> None:
    done = run(PROCESSES[process], DEBUG="1")
    assert done.returncode == 1
    assert done.stderr.startswith("DATABASE_URL and REDIS_URL and KAFKA_BOOTSTRAP_SERVERS not set")
    assert "make run" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_deployment_check_is_clean_with_a_proper_secret_key() -> None:
    check = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = run(check, SECRET_KEY=secrets.token_urlsafe(50))
    assert done.returncode == 0, done.stderr


def test_a_password_in_an_address_is_not_shown() -> None:
    done = run(PROCESSES["manage.py"], DEBUG="1", DATABASE_URL="mysql://me:hidden@host/name")
    assert "DATABASE_URL='mysql://me:***@host/name' cannot be used" in done.stderr
    assert "hidden" not in done.stderr


def test_the_example_lists_every_variable_once() -> None:
    names = re.findall(r"^([A-Z_]+)=$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    assert len(names) == len(set(names))
    assert set(names) == settings.ENVIRONMENT_VARIABLES
