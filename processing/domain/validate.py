"""The one check of an event, for the HTTP door, topics and files alike: its payload is decoded once, and kept."""

from __future__ import annotations

from typing import Any

import msgspec

from processing.domain.decode import Decoded, read_payload
from processing.domain.envelope import MAX_SEQ, Envelope, Event, Invalid
from processing.domain.failures import NO_FAILURE, message_of
from processing.domain.families import Family, kind_of
from processing.domain.fields import check_fields
from processing.domain.numbers import as_integer
from processing.domain.payloads import payload_of

EVERY_TRY = 999_999_999
# what PEP 249 calls the state of a database, which a check may ask: no event is refused for that
AWAY = frozenset({"OperationalError", "InterfaceError"})


def check_event(
    envelope: Envelope,
    kind: Family | None,
    *,
    unknown_pass: bool = True,
    decoded: Decoded | None = None,
) -> Event:
    """The event that an envelope carries, its payload checked by the schema of its kind (`find_kind`) if it has one.

    Members that the schema does not name pass on Kafka; where they do not pass they are refused by name. Of the
    envelope's own members the types and lengths are checked already, by the decoder. `decoded`: the payload, if it was
    read with the whole body. Raises `Invalid`.
    """
    if envelope.userId.isspace():
        raise Invalid("userId", "is blank")
    if envelope.type.isspace():
        raise Invalid("type", "is blank")
    members, text = decoded or read_payload(envelope.payload)
    payload = None if kind is None else _read(kind, members)
    seq = read_seq(members)
    if kind is not None and not unknown_pass:
        check_fields(kind.schema, members)
    return Event(
        id=envelope.id,
        user_id=envelope.userId,
        type=envelope.type,
        family="" if kind is None else kind.name,
        seq=seq,
        fails=read_fails(members),
        timestamp=envelope.timestamp,
        payload_json=text,
        payload=payload,
        members=members,
    )


def _read(kind: Family, members: dict[str, Any]) -> Any:
    """The payload as its schema. Raises `Invalid`, whatever a check of the project's, or of its library, raises: one
    event must not end the process that reads it."""
    try:
        return payload_of(kind.schema).read(members)
    except (Invalid, *NO_FAILURE):
        raise
    except BaseException as error:
        if not AWAY.isdisjoint(base.__name__ for base in type(error).__mro__):
            raise
        told = f"its check failed, {type(error).__name__}: {message_of(error)}"
        raise Invalid("payload", told) from error


def read_seq(payload: dict[str, Any]) -> int | None:
    """`payload.seq`, None if there is none. Raises `Invalid`: true and "1" are no integers, 1.0 is one."""
    if "seq" not in payload:
        return None
    seq = payload["seq"]
    if type(seq) is not int:
        seq = as_integer(seq)
    if type(seq) is not int or not 1 <= seq <= MAX_SEQ:
        raise Invalid("payload.seq", f"must be an integer from 1 to {MAX_SEQ}")
    return seq


def read_fails(payload: dict[str, Any]) -> int:
    """`payload.fail`: how many tries are to fail, EVERY_TRY for true. It is no error whatever else it is."""
    fail = payload.get("fail")
    if fail is True:
        return EVERY_TRY
    return min(fail, EVERY_TRY) if type(fail) is int and fail > 0 else 0


def restore_event(
    id: str, user_id: str, event_type: str, family: str, seq: int | None, timestamp: int, payload_json: bytes
) -> Event:
    """An event as the inbox keeps it. Its payload is decoded by its family only when it is handled (`decoded`)."""
    members, _ = read_payload(payload_json)
    fails = read_fails(members)
    return Event(id, user_id, event_type, family, seq, fails, timestamp, payload_json, None, members)


def decoded(event: Event) -> Event:
    """The event with its payload as its family's schema. Raises `Invalid` if the schema has moved on without it."""
    if event.payload is not None:
        return event
    kind = kind_of(event.family, event.type)
    return msgspec.structs.replace(event, payload=payload_of(kind.schema).read(event.members))
