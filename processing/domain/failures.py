"""Why an attempt failed, and why an event is a dead letter. Pure.

A cause is told apart by its class and place; neither holds anything of an event, so both may be shown anywhere.
"""

from __future__ import annotations

import re
import traceback

import msgspec

from processing.domain.envelope import Event, Invalid
from processing.domain.families import declared_types
from processing.domain.kinds import topic_kind, type_kind
from processing.domain.texts import storable

MAX_TRACEBACK_CHARS = 8_000  # within 8 KiB, unless it has more than ASCII
LIBRARIES = ("site-packages", "/lib/python")
FILE = "file"  # of a dead letter that came from one
NO_FAMILY = "no family"
VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")  # in a reason: what a sender wrote


class Cause(msgspec.Struct, frozen=True, order=True, gc=False):
    """What failures are grouped by. `error_class`: of an unreadable message, what is wrong with it; `place`: the line
    of our own code that raised, `shop.events:41 in place`; of an unreadable message, the member."""

    error_class: str
    place: str


class Failure(msgspec.Struct, frozen=True, gc=False):
    """A handler run that raised. `message` and `traceback` may hold an event's content: operators alone see them."""

    cause: Cause
    message: str
    traceback: str = ""

    @property
    def text(self) -> str:
        """One text that fits a row, a header and a page."""
        return storable(f"{self.cause.error_class}: {self.message}")


class Letter(msgspec.Struct, frozen=True, gc=False):
    """A new dead letter, and the kind and cause of its group. `carried_id`: of an unreadable message's event."""

    id: str
    kind: str
    cause: Cause
    carried_id: str = ""


TOO_FAR_AHEAD = Cause("seq too far ahead", "")


def message_of(error: BaseException) -> str:
    """What it says, fit for a row. It is a handler's own class, which may fail to say anything."""
    try:
        return storable(str(error))
    except Exception as second:  # noqa: BLE001 - it is told instead
        return f"its text cannot be told: {type(second).__name__}"


def cause_of(error: BaseException) -> Cause:
    return Cause(type(error).__name__, _place(error))


def traceback_of(error: Exception) -> str:
    """Its end, where it was raised; at most MAX_TRACEBACK_CHARS."""
    text = "".join(traceback.format_exception(error)).replace("\0", "\\0").encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TRACEBACK_CHARS else f"…{text[1 - MAX_TRACEBACK_CHARS :]}"


def cause_of_poison(error: Invalid) -> Cause:
    """The member by its first two names, the reason without what varies: senders choose all the rest, also what
    stands in a name."""
    names = re.sub(r"\[\d+\]", "", error.path).split(".")[:2]
    return Cause(storable(VARYING.sub("…", error.message))[:200], storable(".".join(names))[:100])


def kind_of(event: Event) -> str:
    """What dead letters of this event are grouped by: a declared type, else the family; types are free text."""
    return kind_named(event.family, event.type)


def kind_named(family: str, event_type: str) -> str:
    if family and event_type in declared_types(family):
        return type_kind(family, event_type)
    return family or NO_FAMILY


def kind_of_poison(topic: str | None) -> str:
    return topic_kind(topic) if topic else FILE


def _place(error: BaseException) -> str:
    frames = [
        (frame.f_globals.get("__name__", "?"), line, frame.f_code)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    own = [each for each in frames if not any(part in each[2].co_filename for part in LIBRARIES)]
    if not own:
        return ""
    module, line, code = own[-1]
    return f"{module}:{line} in {code.co_name}"
