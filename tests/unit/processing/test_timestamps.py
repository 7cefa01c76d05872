"""Times on the wire: which are taken, cut to what, and what is said of the others."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from processing.domain.envelope import EPOCH, MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, Invalid
from processing.domain.timestamps import MILLISECOND, parse_time


def ms(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // MILLISECOND


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2025-10-08T15:30:22Z", "2025-10-08T15:30:22Z"),
        ("2025-10-08t15:30:22z", "2025-10-08T15:30:22Z"),
        ("2025-10-08 15:30:22Z", "2025-10-08T15:30:22Z"),
        ("2025-10-08T15:30Z", "2025-10-08T15:30:00Z"),
        ("2025-10-08T15:30+02", "2025-10-08T13:30:00Z"),
        ("2025-10-08T15:30:22+0200", "2025-10-08T13:30:22Z"),
        ("2025-10-08T15:30:22-02:30", "2025-10-08T18:00:22Z"),
        ("2025-10-08T15:30:22+00:53:28", "2025-10-08T14:36:54Z"),  # as Java writes local mean time
        ("2025-10-08T15:30:22,456Z", "2025-10-08T15:30:22.456Z"),
        ("2025-10-08T15:30:22.4Z", "2025-10-08T15:30:22.400Z"),
        ("20251008T153022Z", "2025-10-08T15:30:22Z"),
        ("20251008T1530+0200", "2025-10-08T13:30:00Z"),
        ("20251008T153022,9999Z", "2025-10-08T15:30:22.999Z"),
        ("2025-10-08T17:30:22.456+02:00[Europe/Berlin]", "2025-10-08T15:30:22.456Z"),
        ("2025-10-08T15:30Z[UTC][u-ca=gregory]", "2025-10-08T15:30:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
        ("2017-01-01T00:59:60.75+01:00", "2016-12-31T23:59:59.999Z"),
        ("2025-12-31T23:59:59.999999999Z", "2025-12-31T23:59:59.999Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),  # the digits are cut, before 1970 too
        ("1969-12-31T23:59:59.9999999999Z", "1969-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
    ],
)
def test_a_calendar_date_with_a_time_and_a_zone_is_taken_and_cut(text: str, same: str) -> None:
    assert parse_time(text, "timestamp") == ms(same)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2025-10-08", "is a date alone: add a time of day and a zone"),
        ("20251008", "is a date alone"),
        ("2025-10", "is a date alone"),
        ("2025-W41-3T15:30:22Z", "is a week or ordinal date: send year, month and day"),
        ("2025W413", "is a week or ordinal date"),
        ("2025-281T15:30:22Z", "is a week or ordinal date"),
        ("2025-10-08T15:30:22", "has no zone: end it with Z, or an offset"),
        ("2025-10-08T15:30", "has no zone"),
        ("20251008T153022.5", "has no zone"),
        ("2025-10-08T15:30:22[Europe/Berlin]", "has no zone"),
        ("2025-10-08T15Z", "has no minutes"),
        ("2025-02-29T00:00:00Z", "is no date of the calendar"),
        ("2025-13-01T00:00Z", "is no date of the calendar"),
        ("2025-10-08T24:00:00Z", "is no time of a day"),
        ("2025-10-08T15:61Z", "is no time of a day"),
        ("2025-10-08T15:30:61Z", "is no time of a day"),
        ("9999-12-31T23:59:59-01:00", "must lie in the years 1 to 9999"),
        ("0001-01-01T00:00:00+00:01", "must lie in the years 1 to 9999"),
        ("0000-01-01T00:00:00Z", "is no date of the calendar"),
        ("10000-01-01T00:00:00Z", "must be Unix milliseconds or an RFC 3339 time"),
        ("2025-10-08 15:30:22 UTC", "has a blank before its zone"),  # Ruby's Time#to_s
        ("2025-10-08 17:30:22 +0200", "has a blank before its zone"),
        ("Wed, 08 Oct 2025 15:30:22 GMT", "must be Unix milliseconds or an RFC 3339 time"),
        ("1759937422457", "is a number in quotes"),
        ("２０２５-10-08T15:30:22Z", "must be Unix milliseconds or an RFC 3339 time"),  # noqa: RUF001
        ("", "must be Unix milliseconds or an RFC 3339 time"),
        ("2025-10-08T15:30:22." + "9" * 10_000 + "Z[", "must be Unix milliseconds or an RFC 3339 time"),
    ],
)
def test_what_another_time_lacks_is_said(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_time(text, "timestamp")
    assert caught.value.path == "timestamp"
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [
        (1759937422457, "ms", 1759937422457),
        (Decimal("1759937422457.0"), "ms", 1759937422457),
        (Decimal("1.759937422456E12"), "ms", 1759937422456),
        (Decimal("1759937422456.999999999999999999999999999999999999"), "ms", 1759937422456),  # cut, by all its digits
        (100_000_000_000, "ms", 100_000_000_000),
        (MAX_TIMESTAMP_MS, "ms", MAX_TIMESTAMP_MS),
        (Decimal(MAX_TIMESTAMP_MS) + Decimal("0.999"), "ms", MAX_TIMESTAMP_MS),
        (1759937422, "s", 1759937422000),
        (Decimal("1759937422.456999999"), "s", 1759937422456),
        (1759937422456999, "us", 1759937422456),
        (1759937422456999999, "ns", 1759937422456),
    ],
)
def test_a_bare_number_counts_its_unit(number: Any, unit: str, expected: int) -> None:
    assert parse_time(number, "timestamp", unit) == expected


@pytest.mark.parametrize(
    ("number", "unit", "message"),
    [
        (1700000000, "ms", "looks like seconds: send milliseconds or RFC 3339"),
        (Decimal("1759937422.456000000"), "ms", "looks like seconds: send milliseconds or RFC 3339"),
        (1759937422456999, "ms", "looks like microseconds: send milliseconds or RFC 3339"),
        (1759937422456999999, "ms", "looks like nanoseconds: send milliseconds or RFC 3339"),
        (1759937422457, "s", "looks like milliseconds: send seconds or RFC 3339"),
        (1759937422, "us", "looks like seconds: send microseconds or RFC 3339"),
        (0, "ms", "is no time in milliseconds from 1973 to the year 9999: send an earlier one as RFC 3339"),
        (-1, "ms", "is no time in milliseconds"),
        (99_999_999_999, "ms", "looks like seconds: send milliseconds or RFC 3339"),
        (MAX_TIMESTAMP_MS + 1, "ms", "looks like microseconds"),
        (MIN_TIMESTAMP_MS, "ms", "is no time in milliseconds"),
        (Decimal("1e300"), "ms", "is no time in milliseconds"),
        (Decimal("1e-300"), "s", "is no time in seconds"),
        (True, "ms", "must be Unix milliseconds or an RFC 3339 time"),
        ([1759937422457], "ms", "must be Unix milliseconds or an RFC 3339 time"),
    ],
)
def test_a_number_of_another_unit_is_named(number: Any, unit: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_time(number, "timestamp", unit)
    assert caught.value.message.startswith(message)
