"""Why an attempt failed, and why an event is a dead letter. Pure.

A cause is told apart by its class and place; neither holds anything of an event, so both may be shown anywhere.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from django.conf import settings

from processing.domain.cloudevents import ATTRIBUTES, KAFKA
from processing.domain.envelope import Envelope, Event, Invalid
from processing.domain.families import declared_types, kinds
from processing.domain.fields import fields_of
from processing.domain.kinds import topic_kind, type_kind
from processing.domain.payloads import Fields
from processing.domain.texts import storable

MAX_CLASS_CHARS = 200
MAX_TRACEBACK_CHARS = 8_000  # within 8 KiB, unless it has more than ASCII
LIBRARIES = ("site-packages", "/lib/python")
FILE = "file"  # of a dead letter that came from one
NO_FAMILY = "no family"
MORE_NAMES = ("", "data", "data_base64", "the key")  # the empty one: of the whole message
MOST_CAUSES = 200  # groups of one reason and kind
VARIES = "…"
VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|(?<!UTF-)\d+")  # in a reason: what a sender wrote


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


# What ends a process or a generator. All else that is raised is a failure of the code that raised it: `sys.exit()`, a
# coroutine that was cancelled and a panic of a library in Rust too, none of which is an `Exception`.
NO_FAILURE = (KeyboardInterrupt, GeneratorExit)
TOO_FAR_AHEAD = Cause("seq too far ahead", "")
OTHER = Cause("other causes", "")


def message_of(error: BaseException) -> str:
    """What it says, fit for a row. It is a handler's own class, which may fail to say anything."""
    try:
        return storable(str(error))
    except Exception as second:  # noqa: BLE001 - it is told instead
        return f"its text cannot be told: {type(second).__name__}"


def cause_of(error: BaseException) -> Cause:
    return Cause(type(error).__name__[:MAX_CLASS_CHARS], _place(error))


def traceback_of(error: BaseException) -> str:
    """Its end, where it was raised; at most MAX_TRACEBACK_CHARS."""
    text = "".join(traceback.format_exception(error)).replace("\0", "\\0").encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TRACEBACK_CHARS else f"…{text[1 - MAX_TRACEBACK_CHARS :]}"


def cause_of_poison(error: Invalid) -> Cause:
    """The member by its first two names as far as they are declared, the reason without what varies: senders choose
    all the rest."""
    names = re.sub(r"\[\d+\]", "", error.path).split(".")[:2]
    known = declared_names()
    place = ".".join(name if name.removeprefix(KAFKA) in known else VARIES for name in names)
    return Cause(storable(VARYING.sub(VARIES, error.message))[:MAX_CLASS_CHARS], place)


def declared_names() -> frozenset[str]:
    """What members can be called, of any message: the rest are their senders' own."""
    names = {*Envelope.__struct_fields__, *ATTRIBUTES, *settings.CLOUDEVENTS_USER, *MORE_NAMES}
    for kind in kinds():
        names.update(kind.member_names(), _names(fields_of(kind.schema)))
    return frozenset(names)


def _names(fields: Fields) -> Iterator[str]:
    for name, inner in fields.items():
        yield name
        yield from _names(inner or {})


def grouped(letters: Sequence[Letter], known: Iterable[tuple[str, Cause]]) -> list[tuple[str, Cause]]:
    """The kind and cause of each letter's group. `known`: those that there are; when a kind has MOST_CAUSES, a new one
    joins OTHER, since a class or a reason may be anybody's text."""
    causes: dict[str, set[Cause]] = {}
    for kind, cause in known:
        causes.setdefault(kind, set()).add(cause)
    found = []
    for letter in letters:
        own = causes.setdefault(letter.kind, set())
        if len(own) < MOST_CAUSES:
            own.add(letter.cause)
        found.append((letter.kind, letter.cause if letter.cause in own else OTHER))
    return found


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
