"""Amounts on the wire: exact, in their currency's decimals, or refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ingest.parsing.money import check_money, places_of, read_money, show_money
from processing.domain.decode import exact_decoder
from processing.domain.envelope import Invalid

decode = exact_decoder(object).decode


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        (b"29.33", "29.33"),
        (b'"29.33"', "29.33"),
        (b"0", "0.00"),
        (b"-0.0", "0.00"),
        (b"29.3300", "29.33"),  # as a number it has two places
        (b'"29.3300"', "29.33"),
        (b"1e3", "1000.00"),
        (b"9999999999999.99", "9999999999999.99"),
        (b'"9999999999999.99"', "9999999999999.99"),
        (b'"0.12e3"', "120.00"),  # Ruby's BigDecimal, see test_serializers
        (b'"1E+3"', "1000.00"),  # Python's Decimal
        (b'"0E-8"', "0.00"),
    ],
)
def test_an_amount_without_a_currency_is_read_to_the_cent(text: bytes, amount: str) -> None:
    assert str(read_money(decode(text), "price")) == amount
    check_money(decode(text), "price")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"29.333", "must have at most 2 decimal places"),
        (b"29.330000000000001", "must have at most 2 decimal places"),  # which a float does not tell from 29.33
        (b"9999999999999.995", "must have at most 2 decimal places"),
        (b"1e-3", "must have at most 2 decimal places"),
        (b'"1e-400"', "must have at most 2 decimal places"),
        (b"-0.01", "from 0 to below"),
        (b"10000000000000", "from 0 to below"),
        (b"1e300", "from 0 to below"),
        (b'"1e999"', "from 0 to below"),
        (b"1" + b"0" * 300, "from 0 to below"),
        (b'"1' + b"0" * 500 + b'"', "must be an amount"),
        (b"true", "must be an amount"),
        (b"null", "must be an amount"),
        (b"[1]", "must be an amount"),
        (b'"NaN"', "must be an amount"),
        (b'"1_000"', "must be an amount"),
        (b'" 1"', "must be an amount"),
        (b'"1\\n"', "must be an amount"),
        (b'"-1"', "must be an amount"),
        (b'""', "must be an amount"),
        ('"\u0661"'.encode(), "must be an amount"),
    ],
)
def test_what_is_no_amount_is_refused_with_its_path(text: bytes, message: str) -> None:
    for read in (read_money, check_money):
        with pytest.raises(Invalid, match=message) as caught:
            read(decode(text), "price")
        assert caught.value.path == "price"


@pytest.mark.parametrize(
    ("currency", "value", "amount"),
    [
        ("USD", "7.5", "7.50"),
        ("JPY", "500.00", "500"),  # trailing zeros are no decimals
        ("JPY", Decimal("500.00"), "500"),
        ("JPY", 500, "500"),
        ("KWD", "1.234", "1.234"),
        ("KWD", "1.2340", "1.234"),
        ("KWD", 1, "1.000"),
        ("IQD", "0.001", "0.001"),  # three by ISO 4217, none by the CLDR
        ("CLF", "0.0001", "0.0001"),
        ("XAU", "1.25", "1.25"),  # a code to which ISO 4217 gives no number
        ("ZZZ", "1.25", "1.25"),  # a code that it does not have
    ],
)
def test_an_amount_has_the_decimals_that_iso_4217_gives_its_currency(currency: str, value: Any, amount: str) -> None:
    assert str(read_money(value, "price", currency)) == amount
    check_money(value, "price", currency)
    assert show_money(Decimal(value), currency) == amount


@pytest.mark.parametrize(
    ("currency", "value", "message"),
    [
        ("JPY", "7.5", "has too many decimals for JPY: must have at most 0 decimal places"),
        ("JPY", Decimal("7.5"), "has too many decimals for JPY"),
        ("KWD", "1.2345", "has too many decimals for KWD: must have at most 3 decimal places"),
        ("CLF", "0.00001", "has too many decimals for CLF: must have at most 4 decimal places"),
        ("ZZZ", "1.234", "has too many decimals for ZZZ: must have at most 2 decimal places"),
    ],
)
def test_more_decimals_than_a_currency_has_are_refused_and_never_rounded(
    currency: str, value: Any, message: str
) -> None:
    for read in (read_money, check_money):
        with pytest.raises(Invalid, match=message):
            read(value, "price", currency)


def test_the_currencies_are_those_of_iso_4217() -> None:
    from iso4217 import Currency

    places = [places_of(each.value) for each in Currency]
    assert [places.count(each) for each in (0, 3)] == [17, 7]
    assert {each.value for each in Currency if places_of(each.value) == 4} == {"CLF", "UYW"}


def test_what_a_row_has_is_shown_with_all_its_decimals() -> None:
    assert show_money(Decimal("7.50"), "JPY") == "7.50"  # stored before decimals went by the currency
    assert show_money(Decimal("1" * 40 + ".5")) == "1" * 40 + ".50"  # a balance
    assert show_money(Decimal("-3")) == "-3.00"
