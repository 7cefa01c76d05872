"""Pause and resume: an operator sets a kind of event aside, and lets it go on. Both are on record."""

from __future__ import annotations

from collections.abc import Callable, Collection

from django.conf import settings

from processing.domain.families import families, get_family, own_topics
from processing.domain.kinds import KindState, parts_of, topic_kind, type_kind
from processing.domain.texts import storable
from processing.operators.chunks import Refused as Refused
from processing.operators.chunks import Result, while_patient
from processing.postgres import kinds
from processing.postgres.operator_records import record
from processing.postgres.transaction import transaction

TYPE, FAMILY = "type", "family"
PAUSE, RESUME = "pause", "resume"  # as OperatorAction.action says it
NO_FAMILY = "none"  # in arguments: of types that belong to no family


def name_kind(*, family: str | None = None, type: str | None = None, topic: str | None = None) -> str:
    """The name of the kind that an operator means. Raises `Refused`."""
    if (topic is None) == (family is None and type is None):
        raise Refused("name a family, a type of one, or a topic")
    if topic is not None:
        topics = sorted({settings.KAFKA_EVENTS_TOPIC, *own_topics()})
        if topic not in topics:
            raise Refused(f"topic {topic!r} is not read; those that are: {', '.join(topics)}")
        return topic_kind(topic)
    if family is None:
        family = next((each.name for each in families() if type in each.types), None)
        if family is None:
            raise Refused(f"type {type!r} may be of any family: name its family too ({NO_FAMILY!r} for those without)")
    known = [each.name for each in families()]
    if family == NO_FAMILY and type is not None:
        return type_kind("", type)
    if family not in known:
        raise Refused(f"{family!r} is not a known event family; known: {', '.join(sorted(known))}")
    own = get_family(family).types
    if type is not None and own and type not in own:
        raise Refused(f"family {family!r} has no type {type!r}; it has {', '.join(sorted(own))}")
    return family if type is None else type_kind(family, type)


def describe(kind: str) -> str:
    """A kind's name in words."""
    family, event_type, topic = parts_of(kind)
    if topic is not None:
        return f"topic {topic}"
    if event_type is None:
        return f"family {family}"
    return f"type {event_type!r} of family {family}" if family else f"type {event_type!r} without family"


def pause_all(*, ids: Collection[str], actor: str, reason: str = "") -> Result:
    """Pause these kinds, which are set aside already."""
    return _each(ids, lambda kind: pause(kind, actor=actor, reason=reason))


def resume_all(*, ids: Collection[str], actor: str) -> Result:
    """Resume these kinds."""
    return _each(ids, lambda kind: resume(kind, actor=actor))


def pause_type_of(*, ids: Collection[str], actor: str, reason: str = "") -> Result:
    """Pause the types of these events."""
    return _each(ids, lambda id: pause(_kind_of_event(id, TYPE), actor=actor, reason=reason))


def pause_family_of(*, ids: Collection[str], actor: str, reason: str = "") -> Result:
    """Pause the families of these events."""
    return _each(ids, lambda id: pause(_kind_of_event(id, FAMILY), actor=actor, reason=reason))


def _each(ids: Collection[str], act: Callable[[str], str]) -> Result:
    result = Result()
    for id in sorted(set(ids)):
        try:
            result.done[id] = act(id)
        except Refused as refused:
            result.refused[id] = str(refused)
    return result


def _kind_of_event(id: str, what: str) -> str:
    found = kinds.family_and_type(id)
    if found is None or not found[1]:
        raise Refused("the inbox does not know of which type it is")
    if what == FAMILY and not found[0]:
        raise Refused("it belongs to no family")
    return found[0] if what == FAMILY else type_kind(*found)


def pause(kind: str, *, actor: str, reason: str = "") -> str:
    """Store a kind's new events, and let them wait in order, until it is resumed. Raises `Refused`."""
    reason = storable(reason)

    def act() -> bool:
        with transaction() as cursor:
            done = kinds.pause(cursor, kind, reason, actor)
            if done:
                record(cursor, PAUSE, actor, {kind: reason})
            return done

    if not while_patient(act):
        raise Refused(f"{describe(kind)} is paused already")
    return f"paused {describe(kind)}"


def resume(kind: str, *, actor: str) -> str:
    """Let what waits for a paused or stopped kind run, in order; then it is open. Raises `Refused`."""

    def act() -> bool:
        with transaction() as cursor:
            done = kinds.start_draining(kind, was=[KindState.PAUSED, KindState.STOPPED])
            if done:
                record(cursor, RESUME, actor, {kind: ""})
            return done

    if not while_patient(act):
        raise Refused(f"{describe(kind)} is neither paused nor stopped")
    return f"resumed {describe(kind)}: what waits for it runs now, in order"
