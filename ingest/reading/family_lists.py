"""What `GET` lists at a family's address: its table, or by `status` its events that were not processed.

A family's table has a row for each processed event; the others are in the inbox alone. They are shown in the family's
own form, by its `Body`: the names of id, user and type, the payload's members as they came, and what became of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from ingest.parsing.forms import EventForm
from ingest.reading.listing import STATUS, Listing, Lists, unix_ms, without_nulls
from processing.domain.statuses import Status
from processing.models import InboxEvent

COLUMNS = (
    "id",
    "user_id",
    "type",
    "seq",
    "status",
    "attempts",
    "error",
    "payload",
    "occurred_at",
    "received_at",
    "final_at",
    "next_attempt_at",
)
OURS = frozenset({STATUS, "attempts", "error", "receivedAt", "processedAt", "nextAttemptAt"})
STATUSES = {STATUS: [status.value for status in Status]}

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def family_lists(body: EventForm) -> Lists:
    """Raises `ValueError` for a family whose members would be taken for the pipeline's."""
    assert body.listing is not None, f"{body.path} has a path, so it needs a listing for GET"
    taken = {field.encode_name for field in msgspec.structs.fields(body.family.schema)} & OURS
    if taken:
        raise ValueError(
            f"event family {body.family.name!r}: {', '.join(sorted(taken))} of its schema is what GET /{body.path} "
            "calls a fact of the pipeline's; give it another name"
        )
    return Lists(usual=_processed(body.listing), unhappy=_unhappy(body, body.listing))


def _processed(listing: Listing) -> Listing:
    def show(row: Any) -> dict[str, Any]:
        return {**listing.show(row), STATUS: Status.PROCESSED}

    return replace(listing, show=show, common={STATUS: Status.PROCESSED}, choices={**listing.choices, **STATUSES})


def _unhappy(body: EventForm, listing: Listing) -> Listing:
    columns = {body.type: "type", body.user: "user_id"}
    return Listing(
        rows=lambda: InboxEvent.objects.only(*COLUMNS),
        show=lambda row: show_unhappy(body, row),
        filters={**{name: columns[name] for name in listing.filters if name in columns}, STATUS: STATUS},
        time="received_at",
        whole_id=False,
        choices=STATUSES,
        name=f"{body.path} not processed",
        fixed={"family": body.family.name},
        period="occurred_at",
        partial=("inbox_unhappy", "inbox_family_unhappy"),
    )


def show_unhappy(body: EventForm, row: InboxEvent) -> dict[str, Any]:
    """An event that was not processed, as its family's own; times in Unix ms. A payload may be gone."""
    head = {"eventId": row.id, body.type: row.type or None, body.user: row.user_id or None, "seq": row.seq}
    tail = {
        "timestamp": unix_ms(row.occurred_at),
        "status": row.status,
        "attempts": row.attempts,
        "error": row.error or None,
        "receivedAt": unix_ms(row.received_at),
        "processedAt": unix_ms(row.final_at),
        "nextAttemptAt": unix_ms(row.next_attempt_at),
    }
    payload = _members.decode(row.payload) if row.payload else {}
    own = {name: raw for name, raw in payload.items() if name not in head and name not in tail}
    return without_nulls({**head, **own, **tail})
