"""What clients may read."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from ingest.http.base import CallerView
from ingest.http.openapi import Described, query_parameter
from ingest.http.problems import Problem
from ingest.reading.events import EVENTS, find_event
from ingest.reading.listing import Listing, parse_query, read_page

PAGE = {
    "type": "object",
    "properties": {
        "events": {"type": "array", "items": {"type": "object"}},
        "next": {"type": ["string", "null"], "description": "the cursor of the next page"},
    },
    "required": ["events", "next"],
}
PROBLEMS = (400, 401, 503)


def listing_operation(listing: Listing) -> Mapping[str, Described]:
    parameters = [query_parameter(name) for name in listing.parameters()]
    return {"GET": Described("List events, newest first", {200: PAGE}, problems=PROBLEMS, parameters=parameters)}


class ListingView(CallerView):
    """A list by pages, newest first."""

    listing: Listing = EVENTS
    operations = listing_operation(EVENTS)

    def get(self, request: Request) -> Response:
        return Response(read_page(self.listing, parse_query(self.listing, request.GET.dict())))


class EventView(CallerView):
    operations = {
        "GET": Described(
            "Tell the state of one event",
            {200: {"type": "object"}},
            problems=(401, 404, 503),
            parameters=[{"in": "path", "name": "event_id", "required": True, "schema": {"type": "string"}}],
        )
    }

    def get(self, request: Request, event_id: str) -> Response:
        return find(event_id)


def find(event_id: str) -> Response:
    """Raises `Problem` 404."""
    state: dict[str, Any] | None = find_event(event_id)
    if state is None:
        raise Problem(HTTPStatus.NOT_FOUND, "no event has this id")
    return Response(state)
