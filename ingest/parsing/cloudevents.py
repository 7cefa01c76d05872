"""CloudEvents at `POST /events`: binary, structured, or a list of structured ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec
from msgspec import Raw

from ingest.parsing import split
from ingest.parsing.candidate import Candidate, Context, Forbidden, Parsed, Refused, TooLarge
from ingest.parsing.events import KEY_HEADER, EventHead, check_count, check_key, decode, field_error, publishable
from ingest.parsing.forms import is_list
from processing.domain.cloudevent_mapping import content_of, in_own_names, readable, to_envelope
from processing.domain.cloudevents import MEDIA_TYPE, CloudEvent, is_structured, read_http, read_structured
from processing.domain.envelope import Invalid
from processing.domain.families import find_kind
from processing.domain.validate import check_event

ENVIRONMENT_PREFIX = "HTTP_CE_"  # of the headers that are attributes, in the WSGI environment

_items = msgspec.json.Decoder(list[Raw])


def is_media_type(content_type: str) -> bool:
    """Whether it says of a body that it is a CloudEvent, or a list of them."""
    return content_type.startswith(MEDIA_TYPE)


def is_binary(environment: Mapping[str, object]) -> bool:
    return "HTTP_CE_SPECVERSION" in environment or "HTTP_CE_ID" in environment


def read_attributes(environment: Mapping[str, object]) -> dict[str, bytes]:
    """The headers that are attributes, by the attributes' names."""
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): str(value).encode("latin-1")
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }


def are_structured(body: bytes) -> bool:
    """Whether JSON is a CloudEvent, or a list with one, whatever its content type says."""
    if not is_list(body):
        return is_structured(body)
    try:
        return any(is_structured(bytes(item)) for item in _items.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def parse_binary(headers: Mapping[str, bytes], body: bytes, key: str | None, context: Context) -> Parsed:
    """An event whose attributes are headers, and whose data is the body."""
    return _parse_one(partial(read_http, headers, body), key, context)


def parse_structured(body: bytes, key: str | None, context: Context) -> Parsed:
    """An event that is one JSON object."""
    return _parse_one(partial(read_structured, body), key, context)


def parse_list(body: bytes, key: str | None, limit: int, context: Context) -> list[Parsed]:
    """A list of structured ones; item i has the idempotency key `{key}#{i}`. Raises `Invalid` for a list that cannot be
    used."""
    check_key(key, KEY_HEADER)
    items = _split(body, limit)
    check_count(items, limit, "")
    return [
        _parse(partial(read_structured, item), None if key is None else f"{key}#{index}", context, f"[{index}]")
        for index, item in enumerate(items)
    ]


def _split(body: bytes, limit: int) -> Sequence[bytes | Raw]:
    try:
        items: Sequence[bytes | Raw] = decode(_items, body)
        return items
    except Invalid:
        found = split.split_list(body, limit)
        if found is None:
            raise
        return found


def _parse_one(read: Callable[[], CloudEvent], key: str | None, context: Context) -> Parsed:
    try:
        check_key(key, KEY_HEADER)
    except Invalid as error:
        return Refused(field_error(error, ""))
    return _parse(read, key, context)


def _parse(read: Callable[[], CloudEvent], key: str | None, context: Context, where: str = "") -> Parsed:
    event: CloudEvent | None = None
    try:
        event = read()
        return _candidate(event, key, context)
    except Invalid as error:
        if event is None:
            return Refused(field_error(error, where))
        told = field_error(in_own_names(event, error), where)
        too_large, forbidden = isinstance(error, TooLarge), isinstance(error, Forbidden)
        return Refused(told, *readable(event), too_large=too_large, forbidden=forbidden)


def _candidate(event: CloudEvent, key: str | None, context: Context) -> Candidate:
    envelope, payload = to_envelope(event, context.now)
    kind = find_kind(None, envelope.type)
    checked = check_event(envelope, kind, unknown_pass=False, decoded=payload)
    head = EventHead(envelope.userId, envelope.type, envelope.id)  # without its time, which is no content here
    made = publishable(head, checked, envelope, key, context)
    made.one_content = True
    made.digest = content_of(made.id, checked.user_id, checked.type, checked.members)
    return made
