"""Effects outside the database: tasks that run once an event is committed (`after`), events that follow it (`emit`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from processing.domain.compose import compose, encode_event, kind_of_schema
from processing.domain.envelope import Event
from processing.domain.families import ANY_TYPE
from processing.domain.identity import uuid_shaped

FOLLOW_UP = "emit"  # in the place of a task's name; no task can have it, since theirs have a dot
LEASE_S = 60
LEAST_LEASE_S, MOST_LEASE_S = 2, 86_400  # a claimed one may wait for a second until it begins
FOLLOW_UP_LEASE_S = 30

T = TypeVar("T", bound="Callable[..., Any] | str")


class EffectStatus(StrEnum):
    """waiting ──▶ done ◀─┐  an earlier try, slower than its lease, has ended well after all
    ▲ └────▶ failed ──┴─▶ discarded    tries used up: a dead letter of its own
    └───────── replay
    """

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    DISCARDED = "discarded"


class Effect(msgspec.Struct, frozen=True, gc=False):
    """What is to be done once the event is committed: a task, by its name, or a follow-up with its value for Kafka.

    `token` is the same however often it is done. An `ordered` one waits for the user's earlier ones of its name. One
    that is being done is left alone for `lease_s`, and is then anybody's again.
    """

    token: str
    name: str
    event_id: str
    user_id: str
    ordered: bool
    lease_s: int
    value: bytes | None = None


@dataclass(frozen=True)
class After:
    """A task that follows the events of a kind: a function, or a Celery task's name.

    A shared task of Celery is not looked at before it is needed: asked for its name before the site has its app, Celery
    makes one of its own, which stays that of all threads.
    """

    task: Callable[..., Any] | str
    ordered: bool
    lease_s: int

    @cached_property
    def name(self) -> str:
        if isinstance(self.task, str):
            return self.task
        name = getattr(self.task, "name", None)  # of a Celery task
        return name if isinstance(name, str) else f"{self.task.__module__}.{self.task.__qualname__}"


_after: dict[tuple[str, str], list[After]] = {}  # by family and type


def after(payload_type: object, *, ordered: bool = False, lease_s: int = LEASE_S) -> Callable[[T], T]:
    """Have the decorated function, or the Celery task of this name, run once an event of the type is committed.

    It is called with the event, and with `token=`: at least once, always with the same token. It is tried again like a
    handler when it raises. `ordered`: a user's later ones wait until it has ended. `lease_s`: one that takes longer may
    be run a second time meanwhile. Raises `ValueError` for a second one of the same name, and for a lease that cannot
    be.
    """
    if not LEAST_LEASE_S <= lease_s <= MOST_LEASE_S:
        raise ValueError(f"@after: lease_s={lease_s} must be from {LEAST_LEASE_S} to {MOST_LEASE_S} (a day)")
    kind = kind_of_schema(payload_type)

    def declare(task: T) -> T:
        if type(task) is str and "." not in str(task):
            raise ValueError(f"@after: {task!r} is no task's name: it needs a dot, as in 'shop.tasks.send_receipt'")
        for event_type in kind.types or {ANY_TYPE}:
            others = _after.setdefault((kind.name, event_type), [])
            if any(other.task is task for other in others):
                raise ValueError(f"@after: {task!r} follows {kind.name}/{event_type} already: name each task once")
            others.append(After(task, ordered, lease_s))
        return task

    return declare


def find_after(event: Event) -> Sequence[After]:
    """The tasks that follow an event."""
    return _after.get((event.family, event.type)) or _after.get((event.family, ANY_TYPE)) or ()


def effects_after(event: Event) -> list[Effect]:
    return [
        Effect(token_of(event.id, each.name), each.name, event.id, event.user_id, each.ordered, each.lease_s)
        for each in find_after(event)
    ]


def any_after() -> bool:
    return bool(_after)


def token_of(event_id: str, name: str) -> str:
    return uuid_shaped(sha256(f"{event_id}\0{name}".encode()).digest())


@dataclass
class HandlerRun:
    """A call of a handler, and what it emits."""

    events: Sequence[Event]
    emitted: dict[str, list[Effect]] = field(default_factory=dict)  # by the event that caused it

    @cached_property
    def ids(self) -> frozenset[str]:
        return frozenset(event.id for event in self.events)


_run: ContextVar[HandlerRun | None] = ContextVar("handler run", default=None)


@contextmanager
def collecting(events: Sequence[Event]) -> Iterator[HandlerRun]:
    """During the block, which is a handler's call with these events, `emit` may be called."""
    run = HandlerRun(events)
    reset = _run.set(run)
    try:
        yield run
    finally:
        _run.reset(reset)


def emit(
    payload: object, *, cause: Event, user: str = "", seq: int | None = None, name: str = "", type: str = ""
) -> str:
    """In a handler: have an event follow `cause`, one of those that the handler was called with. Returns its id.

    It goes to Kafka once the handler's transaction is committed, and with it or never; in order for one user, which is
    the cause's if none is named. Its id is derived from the cause's and `name`, by default its place among those that
    this cause emits. `payload` and `type` are as for `processing.testing`. Raises `Invalid` for what the door refuses.
    """
    run = _run.get()
    if run is None:
        raise RuntimeError("emit(): call it in a handler, and in its thread; what is emitted commits with that")
    if cause.id not in run.ids:
        raise ValueError(f"emit(): cause={cause.id!r} is none of the events that the handler was called with")
    emitted = run.emitted.setdefault(cause.id, [])
    id = token_of(cause.id, f"{FOLLOW_UP} {name or len(emitted)}")
    if any(other.token == id for other in emitted):
        raise ValueError(f"emit(): {cause.id!r} has emitted {name or len(emitted)!r} already: name each event once")
    own = {} if seq is None else {"seq": seq}
    now = time.time_ns() // 1_000_000
    event = compose(payload, id=id, user=user or cause.user_id, timestamp=now, event_type=type, **own)
    value = encode_event(event)
    emitted.append(Effect(id, FOLLOW_UP, cause.id, event.user_id, ordered=True, lease_s=FOLLOW_UP_LEASE_S, value=value))
    return id
