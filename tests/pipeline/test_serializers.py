"""What serializers write, from the topic and the door to the tables and to clients."""

from __future__ import annotations

import httpx
import pytest

from eventsite.local.services.process import port_is_open
from tests.pipeline.log import Record
from tests.pipeline.stack import Stack
from tests.support.serializers import TIMES, WRITTEN

pytestmark = pytest.mark.pipeline

DIGITS = '{"n":9007199254740993.25,"many":[18446744073709551615,0.10000000000000000001]}'
OCCURRED = "SELECT id, round(extract(epoch FROM occurred_at) * 1000)::bigint FROM processing_inboxevent"


def _event(id: str, members: str, user: str = "u") -> Record:
    return Record(user.encode(), f'{{"id":"{id}","userId":"{user}","type":"t",{members}}}'.encode())


def test_every_serializers_time_digits_and_money_arrive_exactly(stack: Stack) -> None:
    consumer = stack.start("consumer")
    stack.start("web")
    port = int(stack.environment["WEB_PORT"])
    stack.wait_until(lambda: port_is_open(port), "the web server listens")
    stack.wait_until(lambda: "got partitions" in consumer.output(), "the consumer has partitions")
    times = {f"{language} {value}": ms for (language, value), ms in TIMES.items()}
    stack.produce(_event(f"{by[0]} {by[1]}", f'"timestamp":{WRITTEN[by]}') for by in TIMES)  # no payload at all
    stack.produce(
        [
            _event("early", '"timestamp":"1969-07-20T20:17:40Z","payload":null'),
            _event("game", f'"timestamp":1759937422456.0,"family":"game","payload":{{"seq":1.0,"data":{DIGITS}}}', "p"),
            Record(b"u", b"\xef\xbb\xbf" + (_event("marked", '"timestamp":1759937422456').value or b"")),
            _event("seconds", f'"timestamp":{WRITTEN["java", "jackson instant"]}'),
            Record(b"u", b'\x00\x00\x00\x00\x01{"id":"framed"}'),
        ]
    )
    body = (
        b'{"eventId":"fils","eventType":"bought","userId":"u","timestamp":"20251008T153022,4569Z","productId":"p",'
        b'"productName":"n","price":"0.1234e1","currency":"KWD","quantity":2.0,"metadata":' + DIGITS.encode() + b"}"
    )
    base = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=base, headers={"Content-Type": "application/json"}, timeout=30) as client:
        assert client.post("/product-events", content=body).status_code == 202
        stack.topic.learn_ends()
        stack.wait_until_final(len(times) + 6)
        game, product = client.get("/game-events").text, client.get("/product-events").text
    assert DIGITS in game and DIGITS in product
    assert '"price":"1.234","currency":"KWD","quantity":2' in product
    occurred = dict(stack.sql(f"{OCCURRED} WHERE status = 'processed'"))
    early = {"early": -14_182_940_000}
    others = {"game": 1_759_937_422_456, "marked": 1_759_937_422_456, "fils": 1_759_937_422_456}
    assert occurred == {**times, **early, **others}
    errors = [
        error for (error,) in stack.sql("SELECT error FROM processing_inboxevent WHERE status = 'failed' ORDER BY 1")
    ]
    assert errors[0].startswith("the message begins with the five bytes of a Schema Registry serializer (schema 1)")
    assert errors[1:] == ["timestamp: looks like seconds: send milliseconds or RFC 3339"]
    assert stack.redis.lrange("order:p", 0, -1) == ["1"]
