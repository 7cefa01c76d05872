"""Amounts on the wire: exact, or refused."""

from __future__ import annotations

import pytest
from msgspec import Raw

from ingest.parsing.money import read_money
from processing.domain.envelope import Invalid


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        (b"29.33", "29.33"),
        (b'"29.33"', "29.33"),
        (b"0", "0.00"),
        (b"29.3300", "29.33"),  # as a number it has two places
        (b"1e3", "1000.00"),
        (b"9999999999999.99", "9999999999999.99"),
        (b'"9999999999999.99"', "9999999999999.99"),
    ],
)
def test_an_amount_is_read_to_the_cent(text: bytes, amount: str) -> None:
    assert str(read_money(Raw(text), "price")) == amount


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"29.333", "at most 2 decimal places"),
        (b"29.330000000000001", "at most 2 decimal places"),  # which a float does not tell from 29.33
        (b"9999999999999.995", "at most 2 decimal places"),
        (b"1e-3", "at most 2 decimal places"),
        (b"-0.01", "from 0 to below"),
        (b"10000000000000", "from 0 to below"),
        (b"1e300", "from 0 to below"),
        (b"1" + b"0" * 500, "must be an amount"),
        (b"true", "must be an amount"),
        (b"null", "must be an amount"),
        (b"[1]", "must be an amount"),
        (b'"NaN"', "must be an amount"),
        (b'"1_000"', "must be an amount"),
        (b'" 1"', "must be an amount"),
        (b'"1e3"', "must be an amount"),
        (b'"-1"', "must be an amount"),
        (b'""', "must be an amount"),
    ],
)
def test_what_is_no_amount_is_refused_with_its_path(text: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        read_money(Raw(text), "price")
    assert caught.value.path == "price"
