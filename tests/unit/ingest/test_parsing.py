"""What the door reads from bytes, without any service."""

from __future__ import annotations

import orjson
import pytest

from ingest.events import GAME
from ingest.parsing.candidate import Candidate, Context, Parsed, Refused
from ingest.parsing.events import parse_batch, parse_one
from ingest.parsing.forms import parse_form, parse_form_list
from processing.domain.decode import decode_envelope
from processing.domain.envelope import Invalid
from processing.domain.fields import unnamed_fields
from tests.support.events import read_event

CONTEXT = Context(caller="anonymous", now=1_790_000_000_000, max_bytes=1_000)


def accepted(event: Parsed) -> Candidate:
    assert isinstance(event, Candidate), event
    return event


def path_of(event: Parsed) -> str:
    assert isinstance(event, Refused), event
    return event.error.path


def test_the_smallest_event_gets_an_id_a_time_and_an_empty_payload() -> None:
    event = accepted(parse_one(b'{"userId": "u", "type": "t"}', None, CONTEXT))
    envelope = decode_envelope(event.value)
    assert (envelope.userId, envelope.type, bytes(envelope.payload)) == ("u", "t", b"{}")
    assert (envelope.timestamp, envelope.family) == (CONTEXT.now, None)
    assert envelope.id == event.id and event.id[14] == "7"
    assert not event.known_before


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (b"1790000000000", 1_790_000_000_000),
        (b'"1970-01-01T00:00:01Z"', 1_000),
        (b'"1970-01-01T01:00:00.5+01:00"', 500),
        (b"null", CONTEXT.now),
    ],
)
def test_a_timestamp_is_unix_ms_or_rfc_3339(timestamp: bytes, expected: int) -> None:
    body = b'{"userId": "u", "type": "t", "timestamp": %s}' % timestamp
    assert accepted(parse_one(body, None, CONTEXT)).timestamp == expected


BAD_EVENTS = [
    # the whole
    (b"", ""),
    (b"   ", ""),
    (b"{", ""),
    (b"nonsense", ""),
    (b"null", ""),
    (b"[]", ""),
    (b'"text"', ""),
    (b"\xef\xbb\xbf{}", "userId"),  # the mark is skipped
    (b'{"userId": "\xff", "type": "t"}', ""),
    (b'{"userId": "u", "type": "t", "payload": {"a": NaN}}', "payload.a"),
    (b'{"userId": "u", "type": "t", "payload": {"a": "\\ud800"}}', "payload.a"),
    (b"[" * 200_000, ""),
    (b'{"userId": "u", "type": "t", "payload": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, ""),
    (b'{"userId": "u", "type": "t", "payload": {"a": "%s"}}' % (b"x" * 1_000), ""),  # too large
    # the members
    (b"{}", "userId"),
    (b'{"userId": "u"}', "type"),
    (b'{"userId": "u", "type": "t", "extra": 1}', "extra"),
    (b'{"userId": "u", "type": "t", "idempotencyKey": "k"}', "idempotencyKey"),  # of a batch's events only
    (b'{"userId": null, "type": "t"}', "userId"),
    (b'{"userId": 1, "type": "t"}', "userId"),
    (b'{"userId": "", "type": "t"}', "userId"),
    (b'{"userId": " \\t", "type": "t"}', "userId"),
    (b'{"userId": "%s", "type": "t"}' % (b"u" * 256), "userId"),
    (b'{"userId": "u\\u0000", "type": "t"}', "userId"),
    (b'{"userId": "u", "type": ["t"]}', "type"),
    (b'{"userId": "u", "type": "%s"}' % (b"t" * 101), "type"),
    (b'{"userId": "u", "type": "t", "eventId": ""}', "eventId"),
    (b'{"userId": "u", "type": "t", "eventId": 7}', "eventId"),
    (b'{"userId": "u", "type": "t", "eventId": "%s"}' % (b"e" * 256), "eventId"),
    (b'{"userId": "u", "type": "t", "timestamp": true}', "timestamp"),
    (b'{"userId": "u", "type": "t", "timestamp": 1}', "timestamp"),
    (b'{"userId": "u", "type": "t", "timestamp": "yesterday"}', "timestamp"),
    (b'{"userId": "u", "type": "t", "timestamp": "2026-01-01T00:00:00"}', "timestamp"),  # where?
    (b'{"userId": "u", "type": "t", "timestamp": 99999999999999999999}', "timestamp"),
    (b'{"userId": "u", "type": "t", "family": "no such"}', "family"),
    (b'{"userId": "u", "type": "t", "family": ""}', "family"),
    # the payload
    (b'{"userId": "u", "type": "t", "payload": []}', "payload"),
    (b'{"userId": "u", "type": "t", "payload": "text"}', "payload"),
    (b'{"userId": "u", "type": "t", "payload": {"a": 18446744073709551616}}', "payload.a"),
    (b'{"userId": "u", "type": "t", "payload": {"a": ["\\u0000"]}}', "payload.a[0]"),
    (b'{"userId": "u", "type": "t", "payload": {"seq": 0}}', "payload.seq"),
    (b'{"userId": "u", "type": "t", "payload": {"seq": null}}', "payload.seq"),
    (b'{"userId": "u", "type": "t", "payload": {"seq": true}}', "payload.seq"),
    (b'{"userId": "u", "type": "t", "payload": {"seq": 1.5}}', "payload.seq"),
    (b'{"userId": "u", "type": "t", "payload": {"seq": "1"}}', "payload.seq"),
    (b'{"userId": "u", "type": "t", "payload": {"seq": 9007199254740992}}', "payload.seq"),
    (b'{"userId": "u", "type": "t", "family": "game", "payload": {}}', "payload.data"),
    (b'{"userId": "u", "type": "t", "family": "game", "payload": {"data": 1}}', "payload.data"),
    (b'{"userId": "u", "type": "t", "family": "game", "payload": {"data": {}, "more": 1}}', "payload.more"),
]


@pytest.mark.parametrize(("body", "path"), BAD_EVENTS)
def test_what_is_wrong_is_named(body: bytes, path: str) -> None:
    assert path_of(parse_one(body, None, CONTEXT)) == path


BAD_ITEMS = [body for body, path in BAD_EVENTS if body[:1] == b"{" and body[-1:] == b"}" and path != "idempotencyKey"]


@pytest.mark.parametrize("body", BAD_ITEMS)
def test_one_bad_event_does_not_spoil_its_batch(body: bytes) -> None:
    good = b'{"userId": "u", "type": "t"}'
    first, bad, last = parse_batch(b'{"events": [%s, %s, %s]}' % (good, body, good), 1_000, CONTEXT)
    accepted(first), accepted(last)
    assert path_of(bad).startswith("events[1]")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", ""),
        (b"[]", ""),
        (b"{}", "events"),
        (b'{"events": []}', "events"),
        (b'{"events": {}}', "events"),
        (b'{"events": null}', "events"),
        (b'{"events": [{}, {}, {}]}', "events"),  # more than allowed
        (b'{"events": [{}], "more": 1}', "more"),
        (b'{"events": [}', ""),
        (b'{"events": [NaN', ""),
    ],
)
def test_a_batch_that_is_none_is_refused_as_a_whole(body: bytes, path: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_batch(body, 2, CONTEXT)
    assert caught.value.path == path


def test_of_repeated_members_the_last_counts() -> None:
    body = b'{"userId": "a", "userId": "b", "type": "t", "payload": {"seq": 1, "seq": 2}}'
    event = accepted(parse_one(body, None, CONTEXT))
    assert event.user_id == "b"
    assert read_event(event.value).seq == 2


def test_of_repeated_members_only_the_last_is_checked() -> None:
    event = (
        b'{"userId": {}, "userId": "u", "type": "", "type": "t", "family": "game", "payload": {"data": 1, "data": {}}}'
    )
    candidate = accepted(parse_one(event, None, CONTEXT))
    assert candidate.user_id == "u"
    assert read_event(candidate.value).payload.data == {}
    (parsed,) = parse_batch(b'{"events": 1, "events": [%s]}' % event, 2, CONTEXT)
    assert accepted(parsed).type == "t"


def test_a_member_that_is_repeated_wrongly_is_told() -> None:
    assert path_of(parse_one(b'{"userId": "u", "userId": {}, "type": "t"}', None, CONTEXT)) == "userId"


def test_what_the_door_accepts_the_consumer_reads() -> None:
    body = (
        b'{"userId": "u", "type": "t", "eventId": "a/b\\n", "family": "game", "payload": {"seq": 3, "data": {"x": 1}}}'
    )
    event = read_event(accepted(parse_one(body, None, CONTEXT)).value)
    assert (event.id, event.seq, event.family, event.payload.data) == ("a/b\n", 3, "game", {"x": 1})


def test_a_refused_event_keeps_what_could_be_read_of_it() -> None:
    refused = parse_one(b'{"userId": "u", "type": 1, "eventId": "e"}', None, CONTEXT)
    assert isinstance(refused, Refused)
    assert (refused.id, refused.user_id, refused.type) == ("e", "u", "")


def test_a_refusal_is_one_short_line() -> None:
    refused = parse_one(orjson.dumps({"userId": "u", "type": "t", "x\n" * 5_000: 1}), None, CONTEXT)
    assert isinstance(refused, Refused)
    assert len(refused.error.path) < 1_000 and "\n" not in refused.error.path


class TestIdempotencyKeys:
    def test_the_id_comes_from_caller_key_and_content(self) -> None:
        body = b'{"userId": "u", "type": "t", "payload": {"a": 1, "b": 2}}'
        same = b'{ "type":"t", "payload": {"b":2, "a":1}, "userId":"u" }'
        first = accepted(parse_one(body, "k", CONTEXT))
        assert accepted(parse_one(same, "k", CONTEXT)).id == first.id
        others = [
            accepted(parse_one(body, "other", CONTEXT)),
            accepted(parse_one(body.replace(b"2", b"3"), "k", CONTEXT)),
            accepted(parse_one(body, "k", Context("key 1", CONTEXT.now, CONTEXT.max_bytes))),
        ]
        assert len({first.id, *(other.id for other in others)}) == 4
        assert first.known_before and first.id[14] == "8"

    def test_content_is_compared_by_value(self) -> None:
        def id_of(number: bytes) -> str:
            body = b'{"userId": "u", "type": "t", "payload": {"n": [%s], "m": {"deep": %s}}}' % (number, number)
            return accepted(parse_one(body, "k", CONTEXT)).id

        same = {id_of(number) for number in (b"1", b"1.0", b"1e0", b"10E-1", b"1.000000000000000000000000")}
        others = {id_of(number) for number in (b"9007199254740993.1", b"9007199254740993.2", b"1.00000000000000000001")}
        assert (len(same), len(others), len(same | others)) == (1, 3, 4)
        assert id_of(b"0.50") == id_of(b"5e-1") != id_of(b'"0.5"')
        assert id_of(b"1e30") == id_of(b"1000000000000000000000000000000.0")
        assert id_of(b"0") == id_of(b"-0.0") == id_of(b"0e5")

    def test_a_time_is_compared_by_what_it_tells(self) -> None:
        body = b'{"userId": "u", "type": "t", "timestamp": %s}'
        stamps = (b"1759937422456", b"1759937422456.7", b'"2025-10-08T15:30:22.456Z"', b'"20251008T173022,456+02"')
        assert len({accepted(parse_one(body % stamp, "k", CONTEXT)).id for stamp in stamps}) == 1

    @pytest.mark.parametrize("key", ["", " ", "k" * 256, "k" * 10_000])
    def test_a_key_that_cannot_be_used_is_refused(self, key: str) -> None:
        body = orjson.dumps({"userId": "u", "type": "t", "idempotencyKey": key})
        assert path_of(parse_one(b'{"userId": "u", "type": "t"}', key, CONTEXT)) == "Idempotency-Key"
        assert path_of(parse_batch(b'{"events": [%s]}' % body, 10, CONTEXT)[0]) == "events[0].idempotencyKey"

    def test_item_i_of_a_list_has_the_key_with_its_number(self) -> None:
        item = b'{"eventType": "move", "playerId": "p", "timestamp": 1790000000000, "data": {}}'
        listed = [accepted(event) for event in parse_form_list(GAME, b"[%s, %s]" % (item, item), "k", 10, CONTEXT)]
        alone = [accepted(parse_form(GAME, item, f"k#{index}", CONTEXT)) for index in range(2)]
        assert [event.id for event in listed] == [event.id for event in alone]


class TestFamilyBodies:
    def test_a_body_becomes_the_envelope(self) -> None:
        body = orjson.dumps(
            {"eventId": "e", "eventType": "move", "playerId": "p", "gameId": "g", "sessionId": None, "seq": 1}
            | {"timestamp": "1970-01-01T00:00:01Z", "data": {"san": "e4"}}
        )
        event = read_event(accepted(parse_form(GAME, body, None, CONTEXT)).value)
        assert (event.id, event.type, event.user_id, event.family) == ("e", "move", "p", "game")
        assert (event.seq, event.timestamp) == (1, 1_000)
        assert orjson.loads(event.payload_json) == {"gameId": "g", "seq": 1, "data": {"san": "e4"}}

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"playerId": None}, "playerId"),
            ({"playerId": 5}, "playerId"),
            ({"eventType": ""}, "eventType"),
            ({"timestamp": None}, "timestamp"),
            ({"data": None}, "data"),
            ({"data": []}, "data"),
            ({"seq": 0}, "seq"),
            ({"gameId": "g" * 256}, "gameId"),
            ({"userId": "u"}, "userId"),
            ({"family": "game"}, "family"),
        ],
    )
    def test_what_is_wrong_is_named_as_the_body_names_it(self, change: dict[str, object], path: str) -> None:
        good = {"eventType": "move", "playerId": "p", "timestamp": 1790000000000, "data": {}}
        body = orjson.dumps(good | change)
        assert path_of(parse_form(GAME, body, None, CONTEXT)) == path
        assert path_of(parse_form_list(GAME, b"[%s]" % body, None, 10, CONTEXT)[0]) == f"[0].{path}"


def test_what_a_schema_does_not_name_is_found_where_it_stood() -> None:
    payload = {"data": {"any": 1}, "gameId": "g", "seq": 1, "fail": False, "mood": "calm"}
    assert unnamed_fields(GAME.schema, payload) == {"mood": "calm"}
    assert unnamed_fields(GAME.schema, {"data": {}}) == {}
