"""Cutting a list into items when it cannot be decoded as a whole."""

from __future__ import annotations

import tracemalloc

import pytest

from ingest.parsing.split import split_batch, split_list


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b"[1, 2]", [b"1", b"2"]),
        (b' [ {"a": [1, 2]} , NaN ] ', [b'{"a": [1, 2]}', b"NaN"]),
        (rb'["a,]\"", {"]": "}"}]', [rb'"a,]\""', b'{"]": "}"}']),
        (b"[" + b"[" * 10_000 + b"]" * 10_000 + b", 1]", [b"[" * 10_000 + b"]" * 10_000, b"1"]),
        (b"[]", None),  # nothing to refuse
        (b"[1,]", None),
        (b"[1] 2", None),
        (b"[1", None),
        (b"[{]}", None),
        (b'["a]', None),
        (b"{}", None),
        (b"", None),
    ],
)
def test_items_are_told_by_brackets_and_strings(body: bytes, items: list[bytes] | None) -> None:
    assert split_list(body, 10) == items


def test_a_batch_is_the_one_list_of_an_object() -> None:
    assert split_batch(b' {"events" : [1, NaN] } ', 10) == [b"1", b"NaN"]
    assert split_batch(b'{"events": [1], "more": 2}', 10) is None


def test_what_is_over_the_limit_is_not_cut() -> None:
    assert split_list(b"[1, 2, 3, 4, and so on", 2) == [b"1", b"2", b"3"]
    assert split_list(b"[1, 2]", 2) == [b"1", b"2"]


@pytest.mark.parametrize("text", [b"a", rb"\"", rb"\\", rb"a\"bc"])
def test_a_long_string_takes_no_more_memory_than_itself(text: bytes) -> None:
    body = b'["' + text * (2**20 // len(text)) + b'", NaN]'
    tracemalloc.start()
    try:
        assert split_list(body, 10) == [body[1:-6], b"NaN"]
        assert tracemalloc.get_traced_memory()[1] < 4 * len(body)
    finally:
        tracemalloc.stop()
