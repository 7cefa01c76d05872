"""The kinds of event: each one declaration, in the app that owns it, and the one registry of them.

An app's `events` module is imported at start-up (see `apps.py`) and calls `register` for each of its kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar, get_args

import msgspec
from django.conf import settings

from processing.domain.carried import Names
from processing.domain.decode import Decoded, decode_envelope
from processing.domain.envelope import Envelope, Event, Invalid
from processing.domain.payloads import payload_of
from processing.domain.timestamps import UNITS

Handler = Callable[[Sequence[Event]], None]
OnFailure = Literal["fail", "park"]
ON_FAILURE: tuple[OnFailure, ...] = get_args(OnFailure)

ANY_TYPE = ""  # no event's type is empty
SITE_UNIT: str = settings.TIMESTAMP_UNIT  # of a bare number as a time, where no declaration says it


def record_only(events: Sequence[Event]) -> None:
    """The handler of a kind that has nothing to do: its events are in the inbox."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of event.

    `schema` describes the payload (see `payloads`); `seq` and `fail` belong to the pipeline and are not part of it.
    Unknown members pass. `handler` gets the events of a batch, in order, inside the transaction that records them: it
    writes with the connection of EVENTS_DATABASE and raises to have the event retried. `types` are event types that
    belong to the family when a message names no family; a family that has any takes no others. Kinds with types of
    their own may share a family.

    A handler that locks rows which other transactions lock too does so in byte order. If it is to be called several
    times in a transaction, `locks` gets all those events beforehand, and locks what is there of their rows.

    `topic` is a Kafka topic of its own that others write to, in a form that `read_message` and `explain` know.
    `timestamp_unit`: what a bare number means as a time in its messages, and in its bodies at the door and in files,
    one of `timestamps.UNITS`. `on_failure`: what the user's lane does when a numbered event has failed for good: it
    goes on, or is parked on it until an operator has seen to it. `admin_link` finds the row that the handler wrote for
    an event's id, and a text for the admin's link to it; `user_link` what the family keeps of a user.
    """

    name: str
    schema: type
    handler: Handler = record_only
    types: frozenset[str] = frozenset()
    locks: Handler | None = None
    topic: str = ""
    timestamp_unit: str = SITE_UNIT
    on_failure: OnFailure = "fail"
    admin_link: Callable[[str], tuple[Any, str] | None] | None = None
    user_link: Callable[[str], tuple[Any, str] | None] | None = None

    def __post_init__(self) -> None:
        payload_of(self.schema)
        if self.timestamp_unit not in UNITS:
            raise ValueError(
                f"event family {self.name!r}: timestamp_unit must be one of {', '.join(UNITS)}, not "
                f"{self.timestamp_unit!r}"
            )
        if self.on_failure not in ON_FAILURE:
            raise ValueError(
                f"event family {self.name!r}: on_failure must be one of {', '.join(ON_FAILURE)}, not "
                f"{self.on_failure!r}"
            )

    def read_message(self, value: bytes) -> tuple[Envelope, Decoded | None]:
        """The envelope that a message of its own topic stands for, and its payload if that is read by then. Raises
        `Invalid`."""
        return decode_envelope(value), None

    def member_names(self) -> Names:
        """What id, user and type are called in such a message."""
        return Names()

    def explain(self, error: Invalid) -> Invalid:
        """What is wrong with such an envelope, in the words of the topic's form."""
        return error


K = TypeVar("K", bound=Family)

_kinds: dict[str, dict[str, Family]] = {}  # by family and type
_owners: dict[str, str] = {}  # family, by type
_topics: dict[str, Family] = {}  # those that kinds have of their own


def register(family: K) -> K:
    """Make a kind of event known. Raises `ValueError` when its name is no identifier, or it, its topic or one of its
    types is taken."""
    if not family.name.isidentifier():
        raise ValueError(f"event family {family.name!r}: the name must be an identifier, such as 'game'")
    kinds = _kinds.get(family.name, {})
    if kinds and (ANY_TYPE in kinds or not family.types):
        raise ValueError(
            f"event family {family.name!r} is declared twice; kinds that share one need types of their own"
        )
    for event_type in family.types:
        if event_type in kinds:
            raise ValueError(f"event type {event_type!r} of family {family.name!r} is declared twice")
        owner = _owners.get(event_type, family.name)
        if owner != family.name:
            raise ValueError(f"event type {event_type!r} belongs to {owner!r}, {family.name!r} cannot own it too")
    if family.topic in _topics:
        raise ValueError(f"topic {family.topic!r} is declared twice")
    _put(family)
    return family


def replace(old: Family, new: Family) -> None:
    """Put a kind in another's place, of the same family and types."""
    assert (old.name, old.types) == (new.name, new.types)
    _put(new)


def _put(family: Family) -> None:
    _owners.update(dict.fromkeys(family.types, family.name))
    _kinds.setdefault(family.name, {}).update(dict.fromkeys(family.types or {ANY_TYPE}, family))
    if family.topic:
        _topics[family.topic] = family


def kinds() -> tuple[Family, ...]:
    """All that is declared, in that order."""
    return tuple({id(kind): kind for each in _kinds.values() for kind in each.values()}.values())


def declared_types(name: str) -> Collection[str]:
    """The types that a family declares by name; others are free text."""
    return _kinds.get(name, {}).keys()


def own_topics() -> tuple[str, ...]:
    """The names of the topics that kinds have of their own."""
    return tuple(_topics)


def owner_of_topic(name: str) -> Family | None:
    """The kind whose own topic this is; None: envelopes stand in it."""
    return _topics.get(name)


def families() -> tuple[Family, ...]:
    """Each family once, as handlers are called by it (`get_family`)."""
    return tuple(get_family(name) for name in _kinds)


def get_family(name: str) -> Family:
    """A family as a whole: of kinds that share it the handler gives each kind its own events. Raises `Invalid` for a
    name that nobody declared."""
    own = tuple({id(kind): kind for kind in _kinds_of(name).values()}.values())
    if len(own) == 1:
        return own[0]
    types = frozenset(event_type for kind in own for event_type in kind.types)
    locks = partial(_lock, own) if any(kind.locks for kind in own) else None
    return Family(name=name, schema=msgspec.Struct, handler=partial(_handle, own), types=types, locks=locks)


def kind_of(name: str, event_type: str) -> Family:
    """The kind that an event of a family is. Raises `Invalid` for a family that nobody declared, and for a type that it
    does not take."""
    own = _kinds_of(name)
    kind = own.get(event_type) or own.get(ANY_TYPE)
    if kind is None:
        raise Invalid("type", f"must be one of {', '.join(sorted(own))}")
    return kind


def find_kind(name: str | None, event_type: str) -> Family | None:
    """The kind that an event is of, by the family that it names (None: it names none) or else by its type. Raises
    `Invalid`."""
    if name is None:
        name = _owners.get(event_type)
        if name is None:
            return None
    return kind_of(name, event_type)


def parks_lane(event: Event) -> bool:
    """Whether the lane of such an event stands on it once it has failed for good: what the site says of its family, or
    else its declaration."""
    own = _kinds.get(event.family, {})
    kind = own.get(event.type) or own.get(ANY_TYPE)
    if kind is None or event.seq is None:
        return False
    return settings.FAMILY_ON_FAILURE.get(kind.name, kind.on_failure) == "park"


def _kinds_of(name: str) -> dict[str, Family]:
    own = _kinds.get(name)
    if own is None:
        known = ", ".join(sorted(_kinds)) or "none"
        raise Invalid("family", f"{name!r} is not a known event family (known: {known})")
    return own


def _lock(own: Sequence[Family], events: Sequence[Event]) -> None:
    for kind in own:
        if kind.locks:
            kind.locks([event for event in events if event.type in kind.types])


def _handle(own: Sequence[Family], events: Sequence[Event]) -> None:
    calls = list(_calls(own, events))
    if len(calls) > 1:
        _lock(own, events)
    for kind, each in calls:
        kind.handler(each)


def _calls(own: Sequence[Family], events: Sequence[Event]) -> Iterator[tuple[Family, list[Event]]]:
    """In as few calls as the order of each user allows: two events of one user never swap."""
    places = {event_type: place for place, kind in enumerate(own) for event_type in kind.types}
    calls: dict[tuple[int, int], list[Event]] = {}
    last: dict[str, tuple[int, int]] = {}
    for event in events:
        place = places[event.type]
        number, before = last.get(event.user_id, (0, place))
        if before != place:
            number += 1
        last[event.user_id] = number, place
        calls.setdefault((number, place), []).append(event)
    for number, place in sorted(calls):
        yield own[place], calls[number, place]
