"""When Kafka's log is gone (the embedded broker keeps it in memory), what the door remembers of it must go too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ingest.publishing.reservations import connection
from processing.models import InboxEvent

AT_ONCE = 1_000


def forget_what_was_lost() -> int:
    """Forget the events that were accepted and are not in the inbox, so that they can be sent again; returns how many.

    To be called with a log that is empty: an event that is on its way would be forgotten as well, and an id that is
    sent again in spite of it still counts once.
    """
    lost = _forget("accepted:*", lambda key, _: key.removeprefix(b"accepted:"))
    _forget("idem:*", lambda _, value: value.split(b":", 2)[2] if value.startswith(b"d:") else None)
    return lost


def _forget(pattern: str, event_id: Callable[[bytes, bytes], bytes | None]) -> int:
    """Delete the keys whose event, told from key and value, the inbox does not have."""
    redis = connection()
    forgotten = 0
    for keys in _scan(pattern):
        values: list[Any] = redis.mget(keys)
        ids = {
            key: id.decode()
            for key, value in zip(keys, values, strict=True)
            if value is not None and (id := event_id(key, value)) is not None
        }
        known = set(InboxEvent.objects.filter(id__in=set(ids.values())).values_list("id", flat=True))
        lost = [key for key, id in ids.items() if id not in known]
        if lost:
            forgotten += redis.delete(*lost)
    return forgotten


def _scan(pattern: str) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    for key in connection().scan_iter(pattern, count=AT_ONCE):
        chunk.append(key)
        if len(chunk) == AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
