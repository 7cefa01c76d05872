"""Where a request comes from."""

from __future__ import annotations

import pytest

from ingest.http.origin import client_address
from processing.domain.traces import read_traceparent

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("forwarded", "trusted", "expected"),
    [
        ("1.1.1.1, 2.2.2.2", 0, "9.9.9.9"),  # nobody is trusted
        ("1.1.1.1, 2.2.2.2", 1, "2.2.2.2"),
        ("1.1.1.1, 2.2.2.2", 2, "1.1.1.1"),
        ("1.1.1.1, 2.2.2.2", 3, "9.9.9.9"),  # fewer than the proxies there are
        ("", 1, "9.9.9.9"),
        ("garbage\x00, \u00ff, rate:u-1", 1, "9.9.9.9"),
        ("1.1.1.1,", 1, "9.9.9.9"),
        ("x" * 100_000, 1, "9.9.9.9"),
        ("2001:DB8::0:1", 1, "2001:db8::1"),
        ("::ffff:1.2.3.4", 1, "1.2.3.4"),
        ("fe80::1%any text: list", 1, "fe80::1"),
    ],
)
def test_the_client_is_what_the_outermost_trusted_proxy_saw(forwarded: str, trusted: int, expected: str) -> None:
    assert client_address({"REMOTE_ADDR": "9.9.9.9", "HTTP_X_FORWARDED_FOR": forwarded}, trusted) == expected


def test_a_peer_without_an_address_is_told_as_unknown() -> None:
    assert client_address({"REMOTE_ADDR": ""}, 0) == "unknown"


def test_a_trace_is_passed_on() -> None:
    assert read_traceparent(PARENT) == PARENT


@pytest.mark.parametrize("header", ["", "garbage", PARENT.upper(), PARENT + "\n", "ff" + PARENT[2:], "00-" + "0" * 32])
def test_what_is_no_trace_is_not_passed_on(header: str) -> None:
    assert not read_traceparent(header)
