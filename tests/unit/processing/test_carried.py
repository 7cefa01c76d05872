"""What an unreadable message says of its event."""

from __future__ import annotations

import pytest

from processing.domain.carried import Carried, Names, read_carried

NAMES = Names()
PRODUCT = Names("eventId", "userId", "eventType")


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        (b'{"id":"a","userId":"u","type":"t","payload":[]}', ("a", "u", "t")),
        (b'\xef\xbb\xbf {"id" : "a" , "userId":"u","x":{"id":"inner"}}', ("a", "u", "")),
        (b'{"id":"a","userId":"u","type":"t","payload":{"a":[1,2', ("a", "u", "t")),
        (b'{"id":"a","userId":"u', ("a", "", "")),
        (b'{"id":12345', ("", "", "")),
        (b'{"id":12345,', ("12345", "", "")),
        (b'{"id":123,"id":"last"}', ("last", "", "")),
        (b'{"id":null,"userId":["u"],"type":true}', ("", "", "")),
        (b'{"id":"\\ud800","userId":"a\\u0000b"}', ("?", "a\\0b", "")),
        (b'{"id":"\xff","n":NaN,"type":"t"}', ("\ufffd", "", "t")),
        (b'{id:"a"}', ("", "", "")),
        (b'[{"id":"a"}]', ("", "", "")),
        (b"not JSON", ("", "", "")),
        (b"[" * 100_000, ("", "", "")),
        (b'{"a":' + b"[" * 60_000, ("", "", "")),
        (b"", ("", "", "")),
        (None, ("", "", "")),
        (b'{"id":"' + b"x" * 300 + b'"}', ("x" * 255, "", "")),
    ],
)
def test_what_can_be_made_out_is_kept(value: bytes | None, carried: tuple[str, str, str]) -> None:
    assert read_carried(value, NAMES) == Carried(*carried)


def test_a_topic_has_its_own_names() -> None:
    assert read_carried(b'{"eventId":"p","eventType":"t","userId":"u","price":"1.234"}', PRODUCT) == ("p", "u", "t")


def test_the_rest_of_a_very_large_message_is_not_looked_at() -> None:
    value = b'{"id":"a","payload":"' + b"x" * 1_000_000 + b'","userId":"u"}'
    assert read_carried(value, NAMES) == ("a", "", "")
