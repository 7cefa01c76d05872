"""Where events come in."""

from __future__ import annotations

import time

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from ingest.families.declaration import EventKind
from ingest.http.answers import ACCEPTED, DUPLICATE, MANY, answer_many, answer_one
from ingest.http.base import DoorView
from ingest.http.body import read_body
from ingest.http.openapi import CLOUDEVENTS, IDEMPOTENCY_KEY, Described, either
from ingest.http.origin import read_origin
from ingest.parsing import cloudevents
from ingest.parsing.candidate import Context, Parsed, Refused
from ingest.parsing.events import Batch, EventBody, parse_batch, parse_one
from ingest.parsing.forms import is_list, parse_form, parse_form_list
from ingest.publishing.admission import admit
from ingest.publishing.event_limit import event_limit
from ingest.reading.views import ListingView, find

PROBLEMS = (400, 401, 405, 408, 409, 413, 415, 429, 503)


class IngestView(DoorView):
    """What the endpoints share that take events."""

    def patience_s(self) -> float | None:
        """How long a client waits for Kafka; None: as usual."""
        return None

    def context(self) -> Context:
        return Context(self.caller, time.time_ns() // 1_000_000, event_limit())

    def take_one(self, request: Request, event: Parsed) -> Response:
        admitted = admit([event], read_origin(request.META), self.patience_s())
        self.remaining = admitted.remaining
        return answer_one(event, admitted.outcomes[0])

    def take_many(self, request: Request, events: list[Parsed]) -> Response:
        admitted = admit(events, read_origin(request.META), self.patience_s())
        self.remaining = admitted.remaining
        return answer_many(admitted.outcomes)


class EventsView(IngestView, ListingView):
    operations = {
        **ListingView.operations,
        "POST": Described(
            "Take one event, or a list of CloudEvents",
            {202: either(ACCEPTED, MANY), 200: DUPLICATE},
            EventBody,
            PROBLEMS,
            (IDEMPOTENCY_KEY,),
            other_bodies=CLOUDEVENTS,
        ),
    }

    def post(self, request: Request) -> Response:
        is_structured = cloudevents.is_media_type(request._request.content_type or "")
        is_binary = not is_structured and cloudevents.is_binary(request.META)
        body = read_body(request._request, untyped=is_binary)
        if is_binary:
            return self.take_binary(request, body)
        if is_structured:
            return self.take_structured(request, body)
        event = parse_one(body, idempotency_key(request), self.context())
        if isinstance(event, Refused) and cloudevents.are_structured(body):
            return self.take_structured(request, body)
        return self.take_one(request, event)

    def take_binary(self, request: Request, body: bytes) -> Response:
        attributes = cloudevents.read_attributes(request.META)
        return self.take_one(
            request, cloudevents.parse_binary(attributes, body, idempotency_key(request), self.context())
        )

    def take_structured(self, request: Request, body: bytes) -> Response:
        """One CloudEvent or a list: the body's form says which."""
        key = idempotency_key(request)
        if not is_list(body):
            return self.take_one(request, cloudevents.parse_structured(body, key, self.context()))
        return self.take_many(request, cloudevents.parse_list(body, key, settings.BATCH_MAX_EVENTS, self.context()))


class EventBatchView(IngestView):
    operations = {"POST": Described("Take many events", {202: MANY}, Batch, PROBLEMS)}

    def post(self, request: Request) -> Response:
        body = read_body(request._request)
        return self.take_many(request, parse_batch(body, settings.BATCH_MAX_EVENTS, self.context()))

    def get(self, request: Request) -> Response:
        """Of the event whose id is `batch`."""
        return find("batch")


class FamilyView(IngestView, ListingView):
    """One event of a family in the family's own form, or a list of them."""

    kind: EventKind | None = None  # `as_view` sets it

    def post(self, request: Request) -> Response:
        assert self.kind is not None
        text = read_body(request._request)
        key = idempotency_key(request)
        if not is_list(text):
            return self.take_one(request, parse_form(self.kind, text, key, self.context()))
        return self.take_many(request, parse_form_list(self.kind, text, key, settings.BATCH_MAX_EVENTS, self.context()))


def idempotency_key(request: Request) -> str | None:
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    return key
