"""What clients may read."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response

from ingest.api_keys.callers import Caller
from ingest.http.answers import SAMPLE_ID
from ingest.http.base import CallerView
from ingest.http.openapi import Described, Schema, path_parameter
from ingest.http.problems import Problem
from ingest.reading.events import EVENT_LISTS, EVENTS, find_event
from ingest.reading.listing import Listing, Lists, parse_query
from ingest.reading.pages import read_page
from ingest.reading.parameters import describe_parameters

NEXT = "The cursor of the next page. A page may be shorter than its limit and still have one; null: there is no more."
PAGE = {
    "type": "object",
    "properties": {
        "events": {"type": "array", "items": {"type": "object"}},
        "next": {"type": ["string", "null"], "description": NEXT},
    },
    "required": ["events", "next"],
}
PROBLEMS = (400, 401, 403, 503)


def listing_operation(lists: Lists) -> Mapping[str, Described]:
    listing = lists.usual if lists.usual.sample else lists.unhappy
    page = {**PAGE, "examples": [{"events": [shown_sample(listing)], "next": None}]}
    described = Described(
        "List events, newest first", {200: page}, problems=PROBLEMS, parameters=describe_parameters(lists)
    )
    return {"GET": described}


def shown_sample(listing: Listing) -> Any:
    """A row as a list shows it."""
    assert listing.sample is not None
    return msgspec.json.decode(msgspec.json.encode(listing.show(listing.sample())))


class ListingView(CallerView):
    """A list by pages, newest first."""

    lists: Lists = EVENT_LISTS
    operations = listing_operation(EVENT_LISTS)

    def get(self, request: Request) -> Response:
        parameters = request.GET.dict()
        listing = self.lists.choose(parameters)
        return Response(read_page(listing, parse_query(listing, parameters)))


STATE: Schema = {"type": "object", "examples": [shown_sample(EVENTS)]}


class EventView(CallerView):
    operations = {
        "GET": Described(
            "Tell the state of one event",
            {200: STATE},
            problems=(401, 403, 404, 503),
            parameters=[path_parameter("event_id", {"type": "string"}, SAMPLE_ID)],
        )
    }

    def check_kinds(self) -> None:
        """Of the one event, once it is found."""

    def get(self, request: Request, event_id: str) -> Response:
        return find(event_id, self.caller)


def find(event_id: str, caller: Caller) -> Response:
    """Raises `Problem` 404 and `NotAllowed`."""
    state: dict[str, Any] | None = find_event(event_id)
    if state is None:
        raise Problem(HTTPStatus.NOT_FOUND, "no event has this id")
    if "receivedAt" in state:  # else the door's memory alone has it, which knows of no family
        caller.require_kind(state.get("family", ""))
    return Response(state)
