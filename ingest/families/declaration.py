"""One declaration of a kind of event, in its app's `events` module: what it is, how it comes in, how it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from functools import cached_property
from typing import Any, TypeVar

from django.apps import apps
from prometheus_client.registry import Collector

from ingest.parsing.forms import EventForm, Formed
from ingest.reading.listing import Listing
from processing.domain.envelope import PIPELINE_MEMBERS, Event
from processing.domain.families import SITE_UNIT, OnFailure, kinds, record_only, register, replace
from processing.domain.payloads import payload_of

S = TypeVar("S")

ENVELOPE_MEMBERS = frozenset({"eventId", "timestamp"})
PROCESSING = "processing"  # the member of lists that tells what the pipeline knows; the others are the event's own
_PATH = re.compile(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True, kw_only=True)
class EventKind(Formed):
    """A kind of event, as an app declares it.

    `listing` is how `GET` at the form's path shows what became of its events; without one they are shown as the inbox
    has them. `metrics` are asked of a service at each scrape. To a topic of its own others write bodies in this form.
    """

    listing: Listing | None = None
    metrics: tuple[Collector, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if PROCESSING in payload_of(self.schema).fields:
            raise ValueError(
                f"event family {self.name!r}: give {PROCESSING!r} of {self.schema.__name__} another name; lists "
                "tell by it what became of an event"
            )
        if self.topic and (self.form.event_id, self.form.timestamp) != ("required", "required"):
            raise ValueError(
                f"topic {self.topic!r}: its form must require eventId and timestamp, so that a message read again is "
                "the same event"
            )

    @cached_property
    def label(self) -> str:
        """How people name it among the kinds of its family."""
        return f"{self.name}/{self.form.fixed_type}" if self.form.fixed_type else self.name


def event_kinds() -> tuple[EventKind, ...]:
    """All that come in by a form, in the order of their declaration."""
    return tuple(kind for kind in kinds() if isinstance(kind, EventKind))


def event_type(
    name: str,
    *,
    user: str = "userId",
    family: str = "",
    path: str = "",
    topic: str = "",
    timestamp_unit: str = SITE_UNIT,
    on_failure: OnFailure = "fail",
    listing: Listing | None = None,
    admin_link: Callable[[str], tuple[Any, str] | None] | None = None,
    metrics: Sequence[Collector] = (),
) -> Callable[[type[S]], type[S]]:
    """Declare the events of one type, whose payload is the decorated class: a Struct of msgspec, a model of pydantic or
    a serializer of Django REST framework. Raises `ValueError` when that cannot be.

    `POST /{family}/{name}` (or `path`) takes the payload's members beside the user's own (`user`) and, if they like,
    `eventId`, `timestamp` (a bare number in `timestamp_unit`) and `seq`. The family is the app's label unless it is
    named; several types may share one. Others may write such bodies, with `eventId` and `timestamp`, to a `topic` of
    its own. With `on_failure="park"` a user's numbered events wait behind one that has failed for good, until an
    operator has seen to it. `on` gives the type its handler; without one its events are recorded, nothing more.
    """

    def declare(payload: type[S]) -> type[S]:
        members = _check_payload(name, payload, user)
        own = family or _app_label(payload)
        form = _form(path or f"{own}/{name}", user, name, members, own_topic=bool(topic))
        _check_path(name, form.path)
        register(
            EventKind(
                name=own,
                schema=payload,
                types=frozenset({name}),
                form=form,
                topic=topic,
                timestamp_unit=timestamp_unit,
                on_failure=on_failure,
                listing=listing,
                admin_link=admin_link,
                metrics=tuple(metrics),
            )
        )
        return payload

    return declare


def _form(path: str, user: str, name: str, members: Collection[str], *, own_topic: bool) -> EventForm:
    """A message of its own topic that is read again must be the same event."""
    presence = "required" if own_topic else "optional"
    return EventForm(
        path=path,
        user=user,
        fixed_type=name,
        event_id=presence,
        timestamp=presence,
        user_in_payload=user in members,
    )


def on(payload: type[S]) -> Callable[[Callable[[Sequence[Event[S]]], None]], Callable[[Sequence[Event[S]]], None]]:
    """Make the decorated function the handler of an event type, named by its payload's class. Raises `ValueError`."""
    kind = next((kind for kind in event_kinds() if kind.schema is payload), None)
    if kind is None:
        raise ValueError(f"@on({payload.__name__}): this is no event type; put @event_type(…) above the class")

    def handle(handler: Callable[[Sequence[Event[S]]], None]) -> Callable[[Sequence[Event[S]]], None]:
        now = next(each for each in event_kinds() if each.schema is payload)
        if now.handler is not record_only:
            first = getattr(now.handler, "__name__", now.handler)
            raise ValueError(f"@on({payload.__name__}): {first} handles it already; call both from one function")
        replace(now, changed(now, handler=handler))
        return handler

    return handle


def _app_label(payload: type) -> str:
    app = apps.get_containing_app_config(payload.__module__)
    if app is None:
        raise ValueError(f"{payload.__module__} is in no installed app: add it to INSTALLED_APPS, or name the family")
    return app.label


def _check_payload(name: str, payload: type, user: str) -> frozenset[str]:
    """The names of the payload's members on the wire."""
    if other := next((kind for kind in event_kinds() if kind.schema is payload), None):
        # `on` names a type by its class: a second type would be recorded as processed, and never handled
        raise ValueError(
            f"event type {name!r}: {payload.__name__} is {other.label}'s already; give each type a class of its own, "
            "which may be a subclass"
        )
    if not 1 <= len(name) <= 100 or name.isspace():
        raise ValueError(f"event type {name!r}: the name must have 1 to 100 characters and not be blank")
    try:
        described, _ = payload_of(payload).describe("{name}")
    except (TypeError, ValueError) as error:  # what a library says of a type that it does not know
        raise ValueError(f"event type {name!r}: {' '.join(str(error).split())}") from error
    members: dict[str, Any] = described.get("properties", {})
    if taken := sorted(members.keys() & (ENVELOPE_MEMBERS | PIPELINE_MEMBERS)):
        raise ValueError(
            f"event type {name!r}: take {', '.join(taken)} out of {payload.__name__}; every event has them, read them "
            "of the Event"
        )
    if user in members and not (members[user].get("type") == "string" and user in described.get("required", ())):
        raise ValueError(f"event type {name!r}: {payload.__name__}.{user} names the user, so make it a required str")
    return frozenset(members)


def _check_path(name: str, path: str) -> None:
    if not _PATH.fullmatch(path):
        raise ValueError(f"event type {name!r}: no address can be {path!r}; name one, such as path='shop/orders'")
    for kind in event_kinds():
        if kind.form.path == path:
            raise ValueError(f"event type {name!r}: /{path} is {kind.label}'s already; name another path")
