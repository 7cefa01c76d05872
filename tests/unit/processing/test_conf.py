"""Settings in any project: Django's come first, then the environment's, then the default; all are checked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from processing.apps import ROUTER, add_cache, add_keepalives, add_router
from processing.conf import fill_in
from processing.conf.reading import BadEnvironment


def filled(environment: dict[str, str] | None = None, **settings: Any) -> SimpleNamespace:
    project = SimpleNamespace(DEBUG=False, **settings)
    fill_in(project, environment or {})
    return project


def test_a_project_that_sets_nothing_gets_every_default() -> None:
    project = filled()
    assert (project.RETRY_MAX_RETRIES, project.HOT_STATE, project.KAFKA_EVENTS_TOPIC) == (3, "all", "events")
    assert (project.METRICS_PORT, project.EVENTS_DATABASE) == (None, "default")
    assert project.INGEST_REQUIRE_API_KEY and not project.FAULT_INJECTION  # as DEBUG says
    assert project.KAFKA_CLIENT_CONFIG == {"bootstrap.servers": ""}


@pytest.mark.parametrize(
    ("environment", "settings", "value"),
    [
        ({"BATCH_MAX_EVENTS": "7"}, {}, 7),
        ({"BATCH_MAX_EVENTS": "7"}, {"BATCH_MAX_EVENTS": 8}, 8),
        ({"BATCH_MAX_EVENTS": "7"}, {"BATCH_MAX_EVENTS": "9"}, 9),
        ({"BATCH_MAX_EVENTS": "7"}, {"BATCH_MAX_EVENTS": None}, 1000),
        ({"BATCH_MAX_EVENTS": " "}, {}, 1000),
    ],
)
def test_the_projects_setting_comes_before_the_environment(
    environment: dict[str, str], settings: dict[str, Any], value: int
) -> None:
    assert value == filled(environment, **settings).BATCH_MAX_EVENTS


def test_a_setting_has_its_type_however_the_project_wrote_it() -> None:
    project = filled(EVENT_MAX_BYTES="1 MiB", FAULT_INJECTION=True, CLOUDEVENTS_USER=("subject",), WEB_HOST="::1")
    assert (project.EVENT_MAX_BYTES, project.FAULT_INJECTION) == (2**20, True)
    assert (project.CLOUDEVENTS_USER, project.WEB_HOST) == (["subject"], "::1")


def test_kafkas_security_may_be_set_in_either_place() -> None:
    variables = {"KAFKA_SECURITY_SASL_USERNAME": "u"}
    project = filled(variables, KAFKA_BOOTSTRAP_SERVERS="k:9092", KAFKA_SECURITY_SASL_MECHANISM="PLAIN")
    assert project.KAFKA_CLIENT_CONFIG == {
        "bootstrap.servers": "k:9092",
        "sasl.username": "u",
        "sasl.mechanism": "PLAIN",
    }


def test_every_setting_that_cannot_be_used_is_named() -> None:
    with pytest.raises(BadEnvironment) as error:
        filled({"HOT_STATE": "none"}, RATE_LIMIT_PER_USER=-1, KAFKA_DLQ_TOPIC="events", BATCH_MAX_EVENTS=True)
    lines = str(error.value).splitlines()
    assert sorted(line.partition("=")[0] for line in lines) == [
        "BATCH_MAX_EVENTS",
        "HOT_STATE",
        "KAFKA_EVENTS_TOPIC",
        "RATE_LIMIT_PER_USER",
    ]
    assert "HOT_STATE='none' cannot be used: allowed are all, off, unhappy" in lines


def test_the_cache_is_made_of_the_address_unless_the_project_has_it() -> None:
    made = SimpleNamespace(EVENTS_CACHE="events", REDIS_URL="redis://r:1/2", CACHES={"default": {}})
    add_cache(made)
    assert made.CACHES["events"]["LOCATION"] == "redis://r:1/2" and made.CACHES["default"] == {}
    own = SimpleNamespace(EVENTS_CACHE="default", REDIS_URL="redis://r:1/2", CACHES={"default": {"LOCATION": "x"}})
    add_cache(own)
    assert own.CACHES == {"default": {"LOCATION": "x"}}


@pytest.mark.parametrize(
    ("database", "routers", "expected"),
    [
        ("default", [], []),
        ("default", ["own.Router"], [ROUTER, "own.Router"]),
        ("events", [], [ROUTER]),
        ("events", ["own.Router", ROUTER], ["own.Router", ROUTER]),
    ],
)
def test_our_router_comes_first_where_there_is_a_choice(database: str, routers: list[str], expected: list[str]) -> None:
    project = SimpleNamespace(EVENTS_DATABASE=database, DATABASE_ROUTERS=routers)
    add_router(project)
    assert expected == project.DATABASE_ROUTERS


def test_the_projects_own_keepalives_are_left_as_they_are() -> None:
    database: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"keepalives_idle": 3}}
    add_keepalives(SimpleNamespace(EVENTS_DATABASE="default", DATABASES={"default": database}))
    assert database["OPTIONS"] == {"keepalives_idle": 3, "keepalives_interval": 5, "keepalives_count": 3}
