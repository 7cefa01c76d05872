"""CloudEvents whose id the inbox knows with other content: SDKs give all events of one template one id, and the later
ones must not be lost in silence as duplicates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from processing.domain.carried import Carried
from processing.domain.cloudevent_mapping import content_of
from processing.domain.decode import read_payload
from processing.domain.envelope import Event, Invalid
from processing.domain.messages import Arrival, Arrived, Poison, make_poison
from processing.postgres.inbox import contents
from processing.postgres.transaction import Cursor, transaction

WHY = "stands for another event already: give each event an id of its own"


def find_other_contents(
    cursor: Cursor, arrivals: Sequence[Arrived], first: Mapping[str, Arrived], new: Collection[str]
) -> list[Poison]:
    """Of a batch whose events are inserted: `first` has the first arrival of each id, `new` the ids that the inbox
    had not. While a first one's payload is kept, a later one with another is a dead letter."""
    if len(new) == len(arrivals):
        return []
    known = first.keys() - set(new)
    later = [
        each
        for each in arrivals
        if isinstance(each, Arrival)
        and each.one_content
        and (each.event.id in known or first[each.event.id] is not each)
    ]
    if not later:
        return []
    ids = {each.event.id for each in later}
    firsts = {id: of(first[id].event) for id in ids.difference(known)}
    firsts |= stored_contents(cursor, ids.intersection(known))
    return [_poison(each) for each in later if differs(each.event, firsts.get(each.event.id))]


def _poison(arrival: Arrival) -> Poison:
    event = arrival.event
    carried = Carried(event.id, event.user_id, event.type)
    return make_poison(arrival.message, Invalid("id", f"{event.id!r} {WHY}"), carried, event.family)


def differs(event: Event, content: str | None) -> bool:
    """Whether an event is another than that of its id; None: that one's payload is no longer kept."""
    return content is not None and content != of(event)


def of(event: Event) -> str:
    return content_of(event.id, event.user_id, event.type, event.members)


def stored_contents(cursor: Cursor, ids: Collection[str]) -> dict[str, str]:
    """The contents of these events of the inbox, where they are kept."""
    return {
        id: content_of(id, user_id, event_type, read_payload(payload.encode())[0])
        for id, (user_id, event_type, payload) in contents(cursor, ids).items()
    }


def known_contents(ids: Collection[str]) -> dict[str, str]:
    """The same, for callers outside of a transaction."""
    with transaction() as cursor:
        return stored_contents(cursor, ids)
