"""Metrics and the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from ingest.health.views import of_the_site
from ingest.health.waiting import LABELLED
from processing.models import Kind
from tests.integration.ingest.test_endpoints import EVENT, Post
from tests.support.factories import InboxEventFactory


@pytest.mark.django_db
def test_metrics_count_events_by_outcome(client: Client, post: Post, door: str) -> None:
    post("/events", EVENT)
    assert 'door_events_total{status="accepted"}' in client.get("/metrics").content.decode()


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_the_document_describes_every_endpoint_and_refers_to_nothing_that_is_missing(client: Client) -> None:
    document = client.get("/schema").json()
    assert document["openapi"].startswith("3.1")
    assert {"/events", "/events/batch", "/events/{event_id}", "/game-events"} <= document["paths"].keys()
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known


def test_a_familys_body_is_described_by_its_one_declaration(client: Client) -> None:
    operation = client.get("/schema").json()["paths"]["/game-events"]["post"]
    one, many = operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert one == many["items"]
    assert set(one["required"]) == {"eventType", "playerId", "timestamp", "data"}
    assert set(one["properties"]) == {*one["required"], "eventId", "gameId", "sessionId", "seq"}
    assert one["additionalProperties"] is False


def test_the_page_for_people_asks_no_other_host(client: Client) -> None:
    page = client.get("/docs").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page


@pytest.mark.django_db(transaction=True)  # checks have connections of their own
@pytest.mark.usefixtures("unhurried")
def test_a_stopped_kind_degrades_readiness_and_is_told_without_a_word_of_its_events(client: Client, door: str) -> None:
    Kind.objects.create(
        name="game/move",
        state="stopped",
        reason="100 handler runs failed in a row (limit 100, FAILURE_LIMIT_IN_A_ROW)",
        actor="",
        error_class="ValueError",
        error_place="game.handler:7 in store",
    )
    InboxEventFactory.create(
        held=True, family="game", type="move", user_id="secret", error="secret", waits_for="game/move", arrival=1
    )
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    (problem,) = ready.json()["degraded"]
    assert "type 'move' of family game is stopped" in problem
    of_the_site.cache_clear()  # the numbers are kept for some seconds
    told = client.get("/metrics").content.decode()
    assert 'kinds_set_aside{kind="game/move",state="stopped"} 1.0' in told
    assert 'events_waiting_for_kind{kind="game/move"} 1.0' in told
    assert 'events_waiting_for_kind_oldest_seconds{kind="game/move"}' in told
    assert "secret" not in problem + told


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("unhurried")
def test_a_paused_kind_is_no_trouble_and_labels_are_bounded(client: Client, door: str) -> None:
    Kind.objects.bulk_create(
        Kind(name=f"game/{n}", state="paused", reason="", actor="ada") for n in range(LABELLED + 20)
    )
    assert "degraded" not in client.get("/health/ready").json()
    of_the_site.cache_clear()
    told = client.get("/metrics").content.decode()
    assert 'kinds_set_aside{kind="other",state="paused"} 20.0' in told
    assert told.count("events_waiting_for_kind{") == LABELLED + 1
