"""Bodies with a Content-Encoding, at every endpoint that takes events."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from backports import zstd

from processing.domain.decode import BOM
from tests.integration.ingest.test_endpoints import EVENT, MOVE, assert_problem

pytestmark = pytest.mark.usefixtures("door")

Post = Callable[..., Any]
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}
PRODUCT = {
    "eventId": "coded",
    "eventType": "product_viewed",
    "timestamp": 1_790_000_000_000,
    "userId": "u",
    "productId": "p",
    "productName": "Lamp",
    "price": 12.5,
}


@pytest.mark.parametrize("coding", COMPRESS)
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/events", EVENT, 202),
        ("/events/batch", {"events": [EVENT]}, 202),
        ("/product-events", PRODUCT, 202),
        ("/game-events", [MOVE, MOVE], 202),
        ("/liveEvent", {"userId": "u", "name": "add_revenue", "value": 1}, 200),
    ],
)
def test_every_endpoint_takes_it(post: Post, coding: str, path: str, body: Any, status: int) -> None:
    assert post(path, COMPRESS[coding](orjson.dumps(body)), Content_Encoding=coding).status_code == status


@pytest.mark.parametrize("name", ["gzip", "GZip", " gzip ", "x-gzip"])
def test_a_coding_has_several_spellings(post: Post, name: str) -> None:
    assert post("/events", gzip.compress(orjson.dumps(EVENT)), Content_Encoding=name).status_code == 202


def test_the_same_event_is_the_same_however_it_was_sent(post: Post) -> None:
    text = orjson.dumps({**EVENT, "eventId": "once"})
    answers = [
        post("/events", text),
        post("/events", gzip.compress(text), Content_Encoding="gzip"),
        post("/events", zstd.compress(BOM + text), Content_Encoding="zstd"),
        post("/events", text, Content_Encoding="identity"),
    ]
    assert [answer.status_code for answer in answers] == [202, 200, 200, 200]


@pytest.mark.parametrize("coding", COMPRESS)
def test_decoded_bytes_count(post: Post, settings: Any, coding: str) -> None:
    settings.BODY_MAX_BYTES = 1_000
    text = orjson.dumps({**EVENT, "payload": {"a": ""}})
    for size, status in ((1_000, 202), (1_001, 413)):
        body = COMPRESS[coding](text.replace(b'""', b'"' + b"x" * (size - len(text)) + b'"'))
        assert post("/events", body, Content_Encoding=coding).status_code == status
    too_large = post("/events", COMPRESS[coding](bytes(10_000_000)), Content_Encoding=coding)
    assert "1000 bytes" in assert_problem(too_large, 413)["error"]


@pytest.mark.parametrize("coding", COMPRESS)
def test_a_broken_stream_is_the_callers_fault(post: Post, coding: str) -> None:
    whole = COMPRESS[coding](orjson.dumps(EVENT))
    for body in (whole[:-1], whole + b"\n", orjson.dumps(EVENT)):
        assert (
            f"Content-Encoding, {coding}"
            in assert_problem(post("/events", body, Content_Encoding=coding), 400)["error"]
        )


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, zstd", "gzip, gzip", "nonsense\t" + "x" * 300])
def test_another_coding_is_refused_and_told_what_is_taken(post: Post, coding: str) -> None:
    answer = post("/events", gzip.compress(orjson.dumps(EVENT)), Content_Encoding=coding)
    assert "send one of gzip, zstd" in assert_problem(answer, 415)["error"]
    assert answer["Accept-Encoding"] == "gzip, zstd"
