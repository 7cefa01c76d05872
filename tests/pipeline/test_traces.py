"""Traces: one of an event leads from its POST to each try that is committed, in whatever process, told to a real
receiver of OTLP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.pipeline.conftest import MakeStack
from tests.pipeline.stack import Stack
from tests.support.health import ask_web

trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

pytestmark = pytest.mark.pipeline

ANSWER_S = 60
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
JSON_LOGS = {"DEBUG": "0", "SECRET_KEY": "of a test", "INGEST_REQUIRE_API_KEY": "0", "FAULT_INJECTION": "1"}


@dataclass(frozen=True)
class Span:
    trace: str
    id: str
    parent: str
    name: str
    failed: bool
    attributes: dict[str, Any]


class Collector(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans: list[Span] = []
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        request = trace_service.ExportTraceServiceRequest()
        request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += [read(span) for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def read(span: Any) -> Span:
    attributes = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
    trace, own, parent = (each.hex() for each in (span.trace_id, span.span_id, span.parent_span_id))
    assert span.start_time_unix_nano <= span.end_time_unix_nano
    return Span(trace, own, parent, span.name, span.status.code == 2, attributes)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server
        server.shutdown()


def post(stack: Stack, **event: Any) -> None:
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    url = f"http://127.0.0.1:{stack.environment['WEB_PORT']}/events"
    answer = httpx.post(url, json=event, headers=headers, timeout=ANSWER_S)
    assert answer.status_code == 202, answer.text


def test_one_trace_leads_from_the_post_to_the_commit_and_the_retry(
    make_stack: MakeStack, database: str, collector: Collector
) -> None:
    stack = make_stack(database, OTEL_EXPORTER_OTLP_ENDPOINT=collector.address, **JSON_LOGS)
    web, consumer, worker = (stack.start(name) for name in ("web", "consumer", "worker"))
    stack.wait_until(lambda: ask_web(stack, "/health/ready")[0] == 200, "the web server is ready")
    post(stack, eventId="a", userId="ada", type="t", payload={"fail": 1})
    stack.topic.learn_ends()
    stack.wait_until_final(1)
    for process in (web, worker, consumer):  # what is not sent yet is sent at the end
        assert process.terminate() == 0

    (sent,) = [span for span in collector.spans if span.parent == CALLER]
    tries = sorted(
        (each for each in collector.spans if each is not sent), key=lambda span: span.attributes["event.attempt"]
    )
    assert (sent.name, sent.attributes["event.id"], sent.attributes["event.user"]) == ("POST /events", "a", "ada")
    assert {span.trace for span in collector.spans} == {TRACE}
    assert [span.parent for span in tries] == [sent.id, sent.id]
    assert [span.attributes["event.outcome"] for span in tries] == ["retrying", "processed"]
    assert [span.failed for span in tries] == [True, False]
    place = stack.sql('SELECT topic, partition::text, "offset" FROM processing_inboxevent')
    names = ("messaging.destination.name", "messaging.destination.partition.id", "messaging.kafka.offset")
    assert [tuple(span.attributes[name] for name in names) for span in tries] == 2 * place

    (line,) = [json.loads(line) for line in consumer.log.read_text().splitlines() if "a handler failed" in line]
    told = (line["id"], line["user"], line["topic"], str(line["partition"]), line["offset"], line["trace_id"])
    assert told == ("a", "ada", *place[0], TRACE)


def test_a_collector_that_is_away_holds_up_nothing(make_stack: MakeStack, database: str, collector: Collector) -> None:
    stack = make_stack(database, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", **JSON_LOGS)
    web, consumer = stack.start("web"), stack.start("consumer")
    stack.wait_until(lambda: ask_web(stack, "/health/ready")[0] == 200, "the web server is ready")
    post(stack, eventId="a", userId="ada", type="t")
    stack.topic.learn_ends()
    stack.wait_until_final(1)
    assert [web.terminate(), consumer.terminate()] == [0, 0]
