"""Metrics and the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.integration.ingest.test_endpoints import EVENT, Post


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
