"""Events as the consumer reads them from the topic `events`."""

from __future__ import annotations

from processing.domain.decode import decode_envelope
from processing.domain.envelope import Envelope, Event
from processing.domain.families import find_kind
from processing.domain.validate import check_event


def checked(envelope: Envelope) -> Event:
    """Raises `Invalid`."""
    return check_event(envelope, find_kind(envelope.family, envelope.type))


def read_event(value: bytes) -> Event:
    """Raises `Invalid`."""
    return checked(decode_envelope(value))
