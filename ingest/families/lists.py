"""What `GET` lists at a family's address: its table, or by `status` its events that were not processed.

A family's table has a row for each processed event; the others are in the inbox alone. They are shown in the family's
own form, by its `EventForm`: the names of id, user and type, the payload's members as they came, and what became of
them. A kind without a listing shows all its events so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from ingest.families.declaration import PROCESSING, EventKind
from ingest.http.examples import example_of
from ingest.http.openapi import nested_schemas, resolved
from ingest.parsing.forms import EventForm
from ingest.reading.events import sample_event, show_processing
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
COLUMN_OF = {"type": "type", "userId": "user_id"}  # by the envelope's names
STATUSES = {STATUS: [status.value for status in Status]}

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def family_lists(kind: EventKind) -> Lists:
    if kind.listing is None:
        inbox = replace(_from_inbox(kind), name=kind.form.path)
        return Lists(usual=replace(inbox, partial=()), unhappy=inbox)
    return Lists(usual=_processed(kind.listing), unhappy=_unhappy(kind, kind.listing))


def _processed(listing: Listing) -> Listing:
    def show(row: Any) -> dict[str, Any]:
        at = {"processedAt": unix_ms(getattr(row, listing.stored_at))} if listing.stored_at else {}
        return {**listing.show(row), PROCESSING: {STATUS: Status.PROCESSED, **at}}

    return replace(listing, show=show, common={STATUS: Status.PROCESSED}, choices={**listing.choices, **STATUSES})


def _unhappy(kind: EventKind, listing: Listing) -> Listing:
    inbox = _from_inbox(kind)
    return replace(
        inbox, filters={name: inbox.filters[name] for name in (*listing.filters, STATUS) if name in inbox.filters}
    )


def _from_inbox(kind: EventKind) -> Listing:
    form = kind.form
    filters = {theirs: COLUMN_OF[ours] for ours, theirs in form.names.items() if ours in COLUMN_OF}
    return Listing(
        rows=lambda: InboxEvent.objects.only(*COLUMNS),
        show=lambda row: show_from_inbox(form, row),
        filters={**filters, STATUS: STATUS},
        time="received_at",
        whole_id=False,
        choices=STATUSES,
        name=f"{form.path} not processed",
        fixed={"family": kind.name, **({"type": form.fixed_type} if form.fixed_type else {})},
        period="occurred_at",
        partial=("inbox_unhappy", "inbox_family_unhappy"),
        sample=lambda: _sample(kind),
    )


def _sample(kind: EventKind) -> InboxEvent:
    payload = msgspec.json.encode(example_of(resolved(kind.schema), nested_schemas)).decode()
    return sample_event(type=f"{kind.name}.created", payload=payload)


def show_from_inbox(form: EventForm, row: InboxEvent) -> dict[str, Any]:
    """An event as the inbox has it, in its family's own form; times in Unix ms. A payload may be gone."""
    kind = {} if form.fixed_type else {form.type: row.type or None}
    head = {"eventId": row.id, **kind, form.user: row.user_id or None, "seq": row.seq}
    tail = {"timestamp": unix_ms(row.occurred_at), PROCESSING: show_processing(row)}
    payload = _members.decode(row.payload) if row.payload else {}
    own = {name: raw for name, raw in payload.items() if name not in head and name not in tail}
    return without_nulls({**head, **own, **tail})
