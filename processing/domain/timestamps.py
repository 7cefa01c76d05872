"""Times on the wire: a bare number in its unit or an ISO 8601 text, cut to Unix milliseconds, never rounded."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from processing.domain.envelope import EPOCH, MAX_TIMESTAMP_MS, MIN_BARE_MS, MIN_TIMESTAMP_MS, Invalid
from processing.domain.numbers import EXACT

EPOCH_DAY = EPOCH.toordinal()
MILLISECOND = timedelta(milliseconds=1)
DAY_MS = 86_400_000

UNITS = {"s": Decimal(1000), "ms": Decimal(1), "us": Decimal("0.001"), "ns": Decimal("0.000001")}  # in ms
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
LIKELY_MS = (MIN_BARE_MS, 10**14)  # 1973 to 5138: in no two units does a number tell a time of these years

_DATE = r"(?P<year>\d{4})(?:-(?P<month>\d\d)-|(?P<month_>\d\d))(?P<day>\d\d)"
_TIME = r"(?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
_ZONE = r"(?:[Zz]|(?P<sign>[+-])(?P<zone_hour>\d\d)(?::?(?P<zone_minute>\d\d)(?::?(?P<zone_second>\d\d))?)?)"
_NAMES = r"(?:\[!?[A-Za-z0-9_/+=.~-]+\])*"  # RFC 9557: the zone's name, the calendar's; the offset has told the time
_ISO = re.compile(f"{_DATE}[Tt ]{_TIME}{_ZONE}{_NAMES}", re.ASCII)

_CLOCK = r"[Tt ]\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?"
_LACKING = (  # what else people write, and what it lacks
    (rf"(\d{{4}}-\d\d-\d\d|\d{{8}}){_CLOCK}{_NAMES}", "has no zone: end it with Z, or an offset such as +02:00"),
    (r"\d{4}-\d\d(-\d\d)?|\d{8}", "is a date alone: add a time of day and a zone, such as T12:00:00Z"),
    (rf"\d{{4}}-?W\d\d.*|\d{{4}}-?\d{{3}}({_CLOCK}.*)?", "is a week or ordinal date: send year, month and day"),
    (rf"(\d{{4}}-\d\d-\d\d|\d{{8}})[Tt ]\d\d{_ZONE}{_NAMES}", "has no minutes: send the time to the minute or finer"),
    (
        rf"\d{{4}}-\d\d-\d\d{_CLOCK} (UTC|GMT|{_ZONE})",
        "has a blank before its zone: end it with Z, or +02:00 without one",
    ),
    (r"\d+(\.\d+)?", "is a number in quotes: send it without them, or the time as RFC 3339"),
)
LACKING = tuple((re.compile(form, re.ASCII), message) for form, message in _LACKING)
MEANT = "must be Unix milliseconds or an RFC 3339 time with its zone, as 2026-01-31T12:00:00Z"
LONGEST = 200  # characters of a text that are worth a look


def parse_time(value: Any, path: str, unit: str = "ms") -> int:
    """Unix ms, of what a JSON reader made of a time: an integer, a Decimal or a text. Raises `Invalid`.

    `unit`: what a bare number counts, one of UNITS. One that tells a time before 1973, or after the year 9999, is taken
    for a mistake of unit.
    """
    if type(value) is str:
        return parse_text(value, path)
    if type(value) is int and unit == "ms" and MIN_BARE_MS <= value <= MAX_TIMESTAMP_MS:
        return value
    if type(value) not in (int, Decimal):
        raise Invalid(path, MEANT)
    number = Decimal(value)
    if not MIN_BARE_MS <= _in_ms(number, unit) < MAX_TIMESTAMP_MS + 1:
        raise Invalid(path, _wrong_number(number, unit))
    return int(_in_ms(number, unit))


def parse_text(text: str, path: str) -> int:
    """Unix ms of an ISO 8601 calendar date with a time to the minute or finer, and a zone. Raises `Invalid`."""
    if text[4:5] == text[7:8] == "-" and text[10:11] == "T" and text[13:14] == ":":  # as it is mostly written
        try:
            moment = datetime.fromisoformat(text)  # it cuts
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            return _in_range((moment - EPOCH) // MILLISECOND, path)
    match = _ISO.fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        lacking = (message for form, message in LACKING if len(text) <= LONGEST and form.fullmatch(text))
        raise Invalid(path, next(lacking, MEANT))
    return _in_range(_count_ms(match, path), path)


def _count_ms(match: re.Match[str], path: str) -> int:
    part = {name: int(digits) for name, digits in match.groupdict("0").items() if name not in ("sign", "fraction")}
    hour, minute, second = part["hour"], part["minute"], part["second"]
    if hour > 23 or minute > 59 or second > 60 or part["zone_hour"] > 23 or part["zone_minute"] > 59:
        raise Invalid(path, "is no time of a day")
    try:
        day = date(part["year"], part["month"] or part["month_"], part["day"]).toordinal() - EPOCH_DAY
    except ValueError as error:
        raise Invalid(path, "is no date of the calendar") from error
    # a leap second, which Unix time does not have, is the last millisecond of the one before it
    ms = 59_999 if second == 60 else second * 1000 + int((match["fraction"] or "0").ljust(3, "0")[:3])
    offset = (part["zone_hour"] * 60 + part["zone_minute"]) * 60_000 + part["zone_second"] * 1000
    return day * DAY_MS + (hour * 60 + minute) * 60_000 + ms - (-offset if match["sign"] == "-" else offset)


def _in_range(ms: int, path: str) -> int:
    if not MIN_TIMESTAMP_MS <= ms <= MAX_TIMESTAMP_MS:
        raise Invalid(path, "must lie in the years 1 to 9999")
    return ms


def _in_ms(number: Decimal, unit: str) -> Decimal:
    return EXACT.multiply(number, UNITS[unit])


def _wrong_number(number: Decimal, unit: str) -> str:
    first, last = LIKELY_MS
    likely = [name for name in UNITS if name != unit and first <= _in_ms(number, name) < last]
    meant = UNIT_NAMES[unit]
    if likely:
        return f"looks like {UNIT_NAMES[likely[0]]}: send {meant} or RFC 3339"
    return f"is no time in {meant} from 1973 to the year 9999: send an earlier one as RFC 3339, as 1970-01-01T00:00:00Z"
