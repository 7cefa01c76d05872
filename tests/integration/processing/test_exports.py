"""Lists as files: what is filtered, bounded, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import orjson
import pytest
from django.test import Client
from django.urls import reverse

from processing.admin import exporting
from tests.support.factories import ApiKeyFactory, DeadLetterFactory, InboxEventFactory
from tests.support.operator_pages import client_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


def exported(client: Client, model: str, kind: str, **query: str) -> Any:
    response: Any = client.get(reverse(f"admin:processing_{model}_export", args=[kind], query=query))
    assert response.status_code == 200
    body = b"".join(response.streaming_content)
    return orjson.loads(body) if kind == "json" else list(csv.DictReader(StringIO(body.decode())))


def test_what_is_filtered_is_exported_in_the_lists_order(operator: Client) -> None:
    for number in range(5):
        InboxEventFactory.create(id=f"e-{number}", user_id="u-2" if number == 1 else "u-1", payload='{"a":1}')
    found = exported(operator, "inboxevent", "json", user="u-1")
    assert [each["id"] for each in found["rows"]] == ["e-4", "e-3", "e-2", "e-0"]
    assert found["more"] is False
    assert found["rows"][0]["payload"] == '{"a":1}'
    assert "raw" not in found["rows"][0]
    assert [each["id"] for each in exported(operator, "inboxevent", "csv", q="e-2")] == ["e-2"]


def test_dead_letters_bring_their_error_and_cause(operator: Client) -> None:
    DeadLetterFactory.create(event__id="e-1", event__error="KeyError: 'high'")
    (found,) = exported(operator, "deadletter", "csv")
    assert (found["event_id"], found["event__error"], found["group__error_class"]) == (
        "e-1",
        "KeyError: 'high'",
        "KeyError",
    )


def test_it_is_bounded_and_says_so(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST", 3)
    monkeypatch.setattr(exporting, "CHUNK", 2)
    InboxEventFactory.create_batch(4)
    assert len(exported(operator, "inboxevent", "json")["rows"]) == 3
    assert exported(operator, "inboxevent", "json")["more"] is True
    rows = exported(operator, "inboxevent", "csv")
    assert len(rows) == 4
    assert rows[-1]["id"] == "only the first 3 rows: filter more narrowly"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_no_cell_is_a_formula(operator: Client, text: str) -> None:
    InboxEventFactory.create(id=text)
    (found,) = exported(operator, "inboxevent", "csv")
    assert found["id"] == f"'{text}"


def test_only_who_may_see_the_list_gets_it(operator: Client) -> None:
    url = reverse("admin:processing_inboxevent_export", args=["csv"])
    assert client_of("cleo", may=["view_lane"]).get(url).status_code == 403
    assert Client().get(url).status_code == 302
    assert operator.get(reverse("admin:processing_inboxevent_export", args=["xml"])).status_code == 404


def test_a_keys_hash_is_in_no_file(operator: Client) -> None:
    key = ApiKeyFactory.create()
    response: Any = operator.get(reverse("admin:ingest_apikey_export", args=["csv"]))
    assert key.sha256.encode() not in b"".join(response.streaming_content)
