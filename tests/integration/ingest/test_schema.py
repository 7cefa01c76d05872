"""The OpenAPI document: each of its examples is what its schema says, and what the door takes and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from django.test import Client
from jsonschema import Draft202012Validator

pytestmark = pytest.mark.usefixtures("door")

Post = Callable[..., Any]
Schema = dict[str, Any]
REQUEST = "request"


@pytest.fixture
def document(client: Client) -> Schema:
    return read_document(client)


def read_document(client: Client) -> Schema:
    document: Schema = orjson.loads(client.get("/schema").content)
    return document


def contents(document: Schema) -> Iterator[tuple[str, str, str, Schema]]:
    """Path, method, status (or REQUEST) and content of each request and each answer."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "requestBody" in operation:
                yield from ((path, method, REQUEST, each) for each in operation["requestBody"]["content"].values())
            for status, answer in operation["responses"].items():
                yield from ((path, method, status, each) for each in answer["content"].values())


def examples_of(content: Schema) -> list[Any]:
    return [content["example"]] if "example" in content else [each["value"] for each in content["examples"].values()]


def assert_valid(document: Schema, schema: Schema, value: Any) -> None:
    whole = {**schema, "components": document["components"]}
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def test_every_request_and_every_answer_has_an_example_that_its_schema_describes(document: Schema) -> None:
    found = list(contents(document))
    assert {"/events", "/events/batch", "/shop/carts", "/liveEvent"} <= {path for path, *_ in found}
    for *_, content in found:
        for example in examples_of(content):
            assert_valid(document, content["schema"], example)


def test_the_door_takes_every_request_and_answers_as_documented(document: Schema, post: Post) -> None:
    requests = [(path, content) for path, _, status, content in contents(document) if status == REQUEST]
    answers = {(path, status): content for path, method, status, content in contents(document) if method == "post"}
    for path, request in requests:
        documented = "200" if path == "/liveEvent" else "202"
        answer = answers[path, documented]
        for body in examples_of(request):
            many = isinstance(body, list) or "events" in body
            expected = next(each for each in examples_of(answer) if many == ("results" in each))
            response = post(path, body)
            assert (response.status_code, response.json().keys()) == (int(documented), expected.keys())
            assert_valid(document, answer["schema"], response.json())
            results = response.json().get("results", ())
            assert all(each["status"] in ("accepted", "duplicate") for each in results), response.json()


def test_what_is_sent_twice_is_answered_as_documented(document: Schema, post: Post) -> None:
    answers = {(path, status): content for path, method, status, content in contents(document) if method == "post"}
    for path, method, status, content in contents(document):
        if (method, status) == ("post", REQUEST) and (path, "202") in answers and (path, "200") in answers:
            example = examples_of(content)[0]
            if isinstance(example, list) or "specversion" in example:  # a CloudEvent has an id of its own
                continue
            body = {**example, "eventId": f"twice by {path}"}
            assert [post(path, body).status_code for _ in range(2)] == [202, 200]
            assert post(path, body).json().keys() == examples_of(answers[path, "200"])[0].keys()


def test_problems_are_documented_as_they_are_answered(client: Client, document: Schema, settings: Any) -> None:
    settings.INGEST_REQUIRE_API_KEY = True
    event = orjson.dumps({"userId": "u", "type": "t"})
    answered = [(client.post("/events", event, content_type="application/json"), "401")]
    settings.INGEST_REQUIRE_API_KEY = False
    answered += [
        (client.put("/events"), "405"),
        (client.post("/events", event, content_type=""), "415"),
        (client.post("/events", b'{"userId": "", "type": "t"}', content_type="application/json"), "400"),
    ]
    documented = document["paths"]["/events"]["post"]["responses"]
    for response, status in answered:
        (content,) = documented[status]["content"].values()
        told = response.json()
        told.pop("eventId", None)
        assert (response["Content-Type"], told) == (*documented[status]["content"], content["example"])


def test_a_team_s_own_kind_has_examples_without_a_word_of_its_own(document: Schema) -> None:
    post = document["paths"]["/shop/order.placed"]["post"]["requestBody"]["content"]["application/json"]
    assert examples_of(post)[0] == {
        "customerId": "u-1",
        "timestamp": "2026-09-21T14:13:20Z",
        "orderId": "text",
        "total": "42.99",
    }
