"""schemathesis over the OpenAPI document: whatever it makes of an operation is answered as documented, never by 5xx."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from pytest_django import Settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from eventsite.request import Request
from ingest.api_keys.create import issue
from ingest.models import ApiKey

pytestmark = pytest.mark.django_db(transaction=True)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


class Application(WSGIHandler):
    """What `eventsite.wsgi` serves, without what a web process does beside its requests."""

    request_class = Request


@pytest.fixture
def api(door: str) -> Any:
    return schemathesis.openapi.from_wsgi("/schema", Application())


def fuzz(api: Any, examples: int, check: Callable[[Any], object]) -> Counter[str]:
    """Of each operation so many requests that its schema allows, and so many that it does not; the same ones in each
    run. Returns how many were made of each."""
    made: Counter[str] = Counter()
    for found in api.get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:
            # a request whose schema takes any text cannot break it
            with suppress(*([Unsatisfiable] if mode is GenerationMode.NEGATIVE else [])):
                _run(operation, mode, examples, check, made)
    return made


def _run(
    operation: Any, mode: GenerationMode, examples: int, check: Callable[[Any], object], made: Counter[str]
) -> None:
    def run(case: Any) -> None:
        made[operation.label] += 1
        check(case)

    run.__qualname__ = f"{operation.label} {mode}"  # Hypothesis derives the cases from it
    bounded = settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    given(case=operation.as_strategy(generation_mode=mode))(bounded(run))()


def test_every_answer_is_a_documented_one(api: Any) -> None:
    made = fuzz(api, 8, lambda case: case.call_and_validate(checks=CHECKS))
    assert {"POST /events", "GET /events/{event_id}", "POST /liveEvent"} <= made.keys()
    assert min(made[each] for each in made if "/health/" not in each) >= 8  # which takes nothing that could differ


@pytest.mark.parametrize(
    "limits", [None, {"may_write": False}, {"may_read": False, "rate_limit": 1}, {"kinds": ["game"]}]
)
def test_so_is_what_callers_with_few_rights_are_told(
    api: Any, settings: Settings, limits: dict[str, Any] | None
) -> None:
    settings.INGEST_REQUIRE_API_KEY = True
    headers = {} if limits is None else {"Authorization": f"Api-Key {issue(ApiKey(name='fuzzed', **limits))}"}
    fuzz(api, 2, lambda case: case.call_and_validate(checks=CHECKS, headers=headers))
