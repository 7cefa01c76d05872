"""What SDKs of CloudEvents wrote, as it is on the wire: one event in the forms that each has. Taken down with

Python cloudevents 2.2.0 (`cloudevents.core`, and `cloudevents.v1`, which is what `cloudevents` 1 was), JavaScript
cloudevents 10.0.0, Go sdk-go 2.16.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ByHttp:
    """`headers` by name, the bytes as the client that the SDK is used with sends them."""

    headers: dict[str, bytes]
    body: bytes


@dataclass(frozen=True)
class ByKafka:
    headers: Sequence[tuple[str, bytes | None]]
    key: bytes | None
    value: bytes | None


# type page.viewed, source /files/a%20b, id i1, subject Zoë, partitionkey u-1, sequence 3, data {"a": 1.5}
HTTP = {
    "python core binary": ByHttp(
        {
            "ce-type": b"page.viewed",
            "ce-source": b"/files/a%2520b",
            "ce-subject": b"Zo%C3%AB",
            "ce-partitionkey": b"u-1",
            "ce-id": b"i1",
            "ce-flag": b"True",
            "ce-num": b"5",
            "ce-sequence": b"3",
            "content-type": b"application/json",
            "ce-specversion": b"1.0",
            "ce-time": b"2026-01-31T12:00:00.123456Z",
        },
        b'{"a": 1.5}',
    ),
    "python core structured": ByHttp(
        {"content-type": b"application/cloudevents+json"},
        b'{"type": "page.viewed", "source": "/files/a%20b", "subject": "Zo\\u00eb", "partitionkey": "u-1", "id": "i1", '
        b'"flag": true, "num": 5, "sequence": 3, "datacontenttype": "application/json", "specversion": "1.0", '
        b'"time": "2026-01-31T12:00:00.123456Z", "data": {"a": 1.5}}',
    ),
    "python v1 binary": ByHttp(
        {
            "ce-specversion": b"1.0",
            "ce-id": b"i1",
            "ce-source": b"/files/a%20b",
            "ce-type": b"page.viewed",
            "ce-subject": "Zoë".encode(),
            "ce-time": b"2026-01-31T12:00:00.123456+00:00",
            "ce-partitionkey": b"u-1",
            "ce-sequence": b"3",
        },
        b'{"a": 1.5}',
    ),
    "python v1 structured": ByHttp(
        {"content-type": b"application/cloudevents+json"},
        b'{"specversion": "1.0", "id": "i1", "source": "/files/a%20b", "type": "page.viewed", "datacontenttype": '
        b'"application/json", "subject": "Zo\\u00eb", "time": "2026-01-31T12:00:00.123456+00:00", "data": {"a": 1.5}, '
        b'"partitionkey": "u-1", "sequence": "3"}',
    ),
    "python v1 structured, of bytes": ByHttp(
        {"content-type": b"application/cloudevents+json"},
        b'{"specversion": "1.0", "id": "i1", "source": "/files/a%20b", "type": "page.viewed", "subject": "Zo\\u00eb", '
        b'"time": "2026-01-31T12:00:00.123456+00:00", "data_base64": "eyJhIjogMS41fQ==", "partitionkey": "u-1", '
        b'"sequence": "3"}',
    ),
    "javascript binary": ByHttp(
        {
            "content-type": b"application/json",
            "ce-id": b"i1",
            "ce-time": b"2026-01-31T12:00:00.123Z",
            "ce-type": b"page.viewed",
            "ce-source": b"/files/a%20b",
            "ce-specversion": b"1.0",
            "ce-subject": "Zoë".encode(),
            "ce-partitionkey": b"u-1",
            "ce-flag": b"true",
            "ce-num": b"5",
            "ce-sequence": b"3",
        },
        b'{"a":1.5}',
    ),
    "javascript structured": ByHttp(
        {"content-type": b"application/cloudevents+json; charset=utf-8"},
        '{"id":"i1","time":"2026-01-31T12:00:00.123Z","type":"page.viewed","source":"/files/a%20b","specversion":"1.0",'
        '"datacontenttype":"application/json","subject":"Zoë","data":{"a":1.5},"partitionkey":"u-1","flag":true,'
        '"num":5,"sequence":"3"}'.encode(),
    ),
    "javascript structured, of a text": ByHttp(
        {"content-type": b"application/cloudevents+json; charset=utf-8"},
        '{"id":"i1","time":"2026-01-31T12:00:00.123Z","type":"page.viewed","source":"/files/a%20b","specversion":"1.0",'
        '"datacontenttype":"application/json","subject":"Zoë","data":"{\\"a\\":1.5}","partitionkey":"u-1",'
        '"sequence":"3"}'.encode(),
    ),
    "go binary": ByHttp(
        {
            "Ce-Flag": b"true",
            "Ce-Id": b"i1",
            "Ce-Partitionkey": b"u-1",
            "Ce-Time": b"2026-01-31T12:00:00.123456789Z",
            "Content-Type": b"application/json",
            "Ce-Sequence": b"3",
            "Ce-Source": b"/files/a%20b",
            "Ce-Specversion": b"1.0",
            "Ce-Subject": "Zoë".encode(),
            "Ce-Type": b"page.viewed",
        },
        b'{"a":1.5}',
    ),
    "go structured": ByHttp(
        {"Content-Type": b"application/cloudevents+json"},
        '{"specversion":"1.0","id":"i1","source":"/files/a%20b","type":"page.viewed","subject":"Zoë",'
        '"datacontenttype":"application/json","time":"2026-01-31T12:00:00.123456789Z","data":{"a":1.5},"flag":true,'
        '"partitionkey":"u-1","sequence":3}'.encode(),
    ),
}

KAFKA = {
    "python core binary": ByKafka(
        [
            ("ce_type", b"page.viewed"),
            ("ce_source", b"/files/a%20b"),
            ("ce_subject", "Zoë".encode()),
            ("ce_partitionkey", b"u-1"),
            ("ce_id", b"i1"),
            ("ce_flag", b"True"),
            ("ce_num", b"5"),
            ("ce_sequence", b"3"),
            ("content-type", b"application/json"),
            ("ce_specversion", b"1.0"),
            ("ce_time", b"2026-01-31T12:00:00.123456Z"),
        ],
        b"u-1",
        b'{"a": 1.5}',
    ),
    "python core structured": ByKafka(
        [("content-type", b"application/cloudevents+json")], b"u-1", HTTP["python core structured"].body
    ),
    # the partitionkey is the key alone
    "python v1 binary": ByKafka(
        [
            ("content-type", b"application/json"),
            ("ce_type", b"page.viewed"),
            ("ce_source", b"/files/a%20b"),
            ("ce_sequence", b"3"),
            ("ce_id", b"i1"),
            ("ce_specversion", b"1.0"),
            ("ce_time", b"2026-01-31T12:00:00.123456+00:00"),
        ],
        b"u-1",
        b'{"a": 1.5}',
    ),
    # the content type is the data's
    "python v1 structured": ByKafka(
        [("content-type", b"application/json")],
        b"u-1",
        b'{"type": "page.viewed", "source": "/files/a%20b", "subject": "Zo\\u00eb", "partitionkey": "u-1", "id": "i1", '
        b'"sequence": "3", "specversion": "1.0", "time": "2026-01-31T12:00:00.123456+00:00", "data": {"a": 1.5}}',
    ),
    "javascript binary": ByKafka(
        [
            ("content-type", b"application/json"),
            ("ce_id", b"i1"),
            ("ce_time", b"2026-01-31T12:00:00.123Z"),
            ("ce_type", b"page.viewed"),
            ("ce_source", b"/files/a%20b"),
            ("ce_specversion", b"1.0"),
            ("ce_datacontenttype", b"application/json"),
            ("ce_subject", "Zoë".encode()),
            ("ce_partitionkey", b"u-1"),
            ("ce_flag", b"true"),
            ("ce_num", b"5"),
            ("ce_sequence", b"3"),
        ],
        b"u-1",
        b'{"a":1.5}',
    ),
    "javascript structured": ByKafka(
        [("content-type", b"application/cloudevents+json; charset=utf-8")], b"u-1", HTTP["javascript structured"].body
    ),
}
