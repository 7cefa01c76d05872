"""The apps in a team's own project, whose layout is not ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest

from eventsite.local.services.process import free_port
from eventsite.local.services.valkey import Valkey
from tests.databases import create_database, drop_database
from tests.paths import ROOT
from tests.pipeline.own_project import OwnProject, log_in, prepare, start_all
from tests.pipeline.processes import wait_until

pytestmark = pytest.mark.pipeline

PURELIB = "import sysconfig; print(sysconfig.get_path('purelib'))"
Ask = Callable[[str], httpx.Response]


@pytest.fixture
def project(tmp_path: Path, server_url: str, valkey: Valkey) -> Iterator[OwnProject]:
    name = uuid4().hex[:8]
    databases = [f"accounts_{name}", f"events_{name}"]
    for each in databases:
        create_database(server_url, each, "template1")
    (tmp_path / "project").mkdir()
    made = OwnProject(tmp_path / "project", python(), {**variables(server_url, valkey, name), "PYTHONPATH": packages()})
    yield made
    made.close()
    for each in databases:
        drop_database(server_url, each)


def python() -> Path:
    return Path(os.environ.get("TEST_WHEEL_PYTHON", sys.executable))


def packages() -> str:
    """Where the apps are; an environment that has the wheel needs no such place."""
    return "" if "TEST_WHEEL_PYTHON" in os.environ else str(ROOT)


def place_of_packages() -> Path:
    found = packages() or subprocess.check_output([python(), "-c", PURELIB], text=True).strip()
    return Path(found).resolve()


def variables(server_url: str, valkey: Valkey, name: str) -> dict[str, str]:
    server = urlsplit(server_url)
    return {
        "PG_PORT": str(server.port),
        "PG_USER": server.username or "",
        "PG_PASSWORD": server.password or "",
        "PG_ACCOUNTS": f"accounts_{name}",
        "PG_EVENTS": f"events_{name}",
        "BROKER": valkey.address,
        "KAFKA_BOOTSTRAP_SERVERS": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "KAFKA_EVENTS_TOPIC": f"events-{name}",
        "KAFKA_PRODUCT_TOPIC": f"products-{name}",
        "KAFKA_DLQ_TOPIC": f"events-{name}.dlq",
        "KAFKA_CONSUMER_GROUP": f"processors-{name}",
        "KAFKA_SESSION_TIMEOUT_MS": "3000",
    }


def test_an_event_of_ones_own_from_post_to_row_to_admin(project: OwnProject, server_url: str) -> None:
    prepare(project)
    files = project.run("-c", "import processing, ingest, revenue; print(processing, ingest, revenue)")
    assert files.count(f"from '{place_of_packages()}/") == 3, files
    assert groups(server_url, project) == ["administrator", "operator", "viewer"]
    assert "no issues" in project.manage("check", "--database", "default", "--database", "events")
    assert "POST /api/v1/stock/item.counted" in project.manage("startevent", "stock.ItemCounted", "--payload", "drf")
    url = start_all(project, free_port())
    with httpx.Client(base_url=f"{url}/api/v1", timeout=30) as api, closing(log_in(f"{url}/control")) as admin:
        drive(project, server_url, api, admin)


def drive(project: OwnProject, server_url: str, api: httpx.Client, admin: httpx.Client) -> None:
    order = {"customerId": "u-1", "total": "19.90", "eventId": "order 1", "seq": 1}
    assert api.post("/stock/item.counted", json={"userId": "u-1", "reference": "A 7"}).status_code == 202
    accepted = api.post("/shop/order.placed", json=order)
    assert (accepted.status_code, accepted.headers["Location"]) == (202, "/api/v1/events/order%201")
    failing = api.post("/shop/order.placed", json={**order, "eventId": "bad", "seq": 2, "fail": 4})
    assert failing.status_code == 202
    assert api.post("/shop/order.placed", json={"customerId": "u-1"}).status_code == 400

    wait_until(lambda: status(api, "order%201") == "processed", 60, "the order is processed")
    wait_until(lambda: status(api, "bad") == "failed", 60, "the bad one has failed, by Celery")
    assert rows(server_url, project, "SELECT event_id, customer_id, total::text FROM shop_order") == [
        ("order 1", "u-1", "19.90")
    ]
    documents(api)
    assert "order 1" in admin.get("/processing/inboxevent/").text
    replay(admin)
    wait_until(lambda: status(api, "bad") == "processed", 60, "the replayed one is processed")
    wait_until(lambda: not api.get("/health/ready").json().get("degraded"), 60, "all four processes are known to go on")
    greeted = "SELECT first_name FROM accounts_user"
    wait_until(
        lambda: rows(server_url, project, greeted, "PG_ACCOUNTS") == [("greeted",)], 60, "the team's own task has run"
    )


def documents(api: httpx.Client) -> None:
    """With all that they point to."""
    openapi = api.get("/schema", headers={"Accept": "application/json"}).json()
    assert "/api/v1/shop/order.placed" in openapi["paths"] and "/api/v1/stock/item.counted" in openapi["paths"]
    assert {"Result", "ProblemBody"} <= openapi["components"]["schemas"].keys()
    assert "shop.order.placed" in api.get("/asyncapi").json()["channels"]["events"]["messages"]


def groups(server_url: str, project: OwnProject) -> list[object]:
    return [name for (name,) in rows(server_url, project, "SELECT name FROM auth_group ORDER BY name", "PG_ACCOUNTS")]


def status(api: httpx.Client, id: str) -> object:
    return api.get(f"/events/{id}").json().get("status")


def rows(server_url: str, project: OwnProject, sql: str, database: str = "PG_EVENTS") -> list[tuple[object, ...]]:
    own = urlsplit(server_url)._replace(path=f"/{project.environment[database]}").geturl()
    with psycopg.connect(own) as session:
        return session.execute(sql.encode()).fetchall()


def replay(admin: httpx.Client) -> None:
    """As the button on a dead letter's page does, which leads to the page that asks."""
    page = admin.get("/processing/deadletter/bad/change/")
    assert page.status_code == 200, page.text
    button = re.search(r'href="[^"]*/replayrun/start/\?([^"]*)"', page.text)
    assert button is not None, page.text
    data = {"csrfmiddlewaretoken": admin.cookies["csrftoken"], "choice": parse_qs(unescape(button[1]))["choice"][0]}
    assert admin.post("/processing/replayrun/start/", data=data).status_code == 200


@pytest.mark.parametrize("payload", ["msgspec", "pydantic", "drf"])
def test_the_written_event_passes_the_written_test(project: OwnProject, payload: str) -> None:
    project.make()
    project.manage("makemigrations", "accounts", "shop")
    project.manage("startevent", "stock.ItemCounted", "--payload", payload)
    project.manage("startevent", "shop.OrderReturned", "--payload", payload)  # into a file that is there
    if payload == "msgspec":  # with our own backend
        file = project.folder / "config" / "settings" / "local.py"
        file.write_text(file.read_text().replace("django.db.backends.postgresql", "processing.postgres.backend"))
    assert "Ran 4 tests" in project.manage(
        "test", "stock", "shop", KAFKA_BOOTSTRAP_SERVERS="", BROKER="redis://nowhere:1/0"
    )


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"KAFKA_TOPIC_PARTITIONS": "many"}, "KAFKA_TOPIC_PARTITIONS='many' cannot be used: allowed is a whole number"),
        ({"KAFKA_DLQ_TOPIC": "a b"}, "KAFKA_DLQ_TOPIC='a b' cannot be used"),
    ],
)
def test_a_value_that_cannot_be_used_stops_each_process_in_one_line(
    project: OwnProject, variables: dict[str, str], told: str
) -> None:
    project.make()
    for command in (["manage.py", "check"], ["-c", "import config.celery, django; django.setup()"]):
        done = project.try_to_run(*command, **variables)
        assert done.returncode == 1
        assert done.stdout.startswith(told) and done.stdout.count("\n") == 1
