"""What the OpenAPI document says of the parameters of lists."""

from __future__ import annotations

from ingest.http.openapi import TIMESTAMP, Schema, query_parameter
from ingest.reading.listing import PAGE_MAX, PAGE_SIZE, STATUS, Listing, Lists

TIMES = {
    "received_at": "`receivedAt`",
    "occurred_at": "`timestamp`",
    "timestamp": "`timestamp`",
}


def describe_parameters(lists: Lists) -> list[Schema]:
    usual = lists.usual
    period = TIMES.get(usual.period or usual.time, usual.period or usual.time)
    return [
        *(_filter(usual, name) for name in (*usual.filters, *usual.common)),
        query_parameter("since", TIMESTAMP, f"Of {period}, inclusive."),
        query_parameter("until", TIMESTAMP, f"Of {period}, exclusive."),
        query_parameter("cursor", {"type": "string"}, "`next` of the page before, of the same list."),
        query_parameter("limit", {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_SIZE}),
    ]


def _filter(listing: Listing, name: str) -> Schema:
    if name not in listing.choices:
        return query_parameter(name, {"type": "string"})
    told = OF_A_FAMILY if name == STATUS and name in listing.common else ""
    return query_parameter(name, {"type": "string", "enum": list(listing.choices[name])}, told)


OF_A_FAMILY = (
    "Left out, or `processed`: by `timestamp`, newest first. Any other: events in that state, in the order in which "
    "they were received."
)
