"""What a run of tests starts, and what its workers share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import services

TESTS = Path(services.__file__).parent


@pytest.mark.parametrize(
    ("arguments", "only_unit"),
    [
        ([], False),
        (["-n", "3", "-x"], False),
        (["unit"], True),
        (["unit/test_services.py", "-k", "anything"], True),
        (["unit/test_services.py::test_what_is_asked_for[x]", "--durations=20"], True),
        (["unit", "pipeline"], False),
        (["unit/../pipeline"], False),
        (["-k", "unit"], False),
        (["--ignore", "unit"], False),
        (["unit", "-k", "pipeline"], True),
        (["-xq", "-n2", "--lf", "unit"], True),
        (["-x", "unit", "pipeline"], False),
    ],
)
def test_services_are_left_out_when_every_path_named_lies_in_unit(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], only_unit: bool
) -> None:
    monkeypatch.chdir(TESTS)
    assert services.asks_for_unit_tests_only(arguments) is only_unit


def test_a_run_of_unit_tests_is_told_addresses_where_nobody_listens() -> None:
    environment: dict[str, str] = {}
    services.prepare(environment, [str(TESTS / "unit")])
    assert environment == services.NOWHERE


@pytest.mark.parametrize(
    ("first", "worker", "own"),
    [
        ("redis://127.0.0.1:6379/0", "gw0", "redis://127.0.0.1:6379/0"),
        ("redis://127.0.0.1:6379/0", "gw12", "redis://127.0.0.1:6379/12"),
        ("rediss://user:password@host", "gw2", "rediss://user:password@host/2"),
        ("redis://127.0.0.1:6379/5", "gw2", "redis://127.0.0.1:6379/7"),
    ],
)
def test_a_worker_and_its_children_have_a_redis_database_and_a_group_of_their_own(
    first: str, worker: str, own: str
) -> None:
    environment = {"REDIS_URL": first, "PYTEST_XDIST_WORKER": worker}
    for _ in ("the worker", "a child"):
        services.prepare(environment, [])
        assert environment["REDIS_URL"] == own
        assert environment["KAFKA_CONSUMER_GROUP"] == f"event-processors-{worker}"


def test_a_redis_without_numbers_cannot_be_shared_by_workers() -> None:
    with pytest.raises(ValueError, match=r"REDIS_URL=unix:///tmp/redis\.sock: workers need"):
        services.prepare({"REDIS_URL": "unix:///tmp/redis.sock", "PYTEST_XDIST_WORKER": "gw1"}, [])
