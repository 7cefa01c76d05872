"""Where events come in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ingest.api_keys.callers import caller_at_hand, caller_of
from ingest.families.declaration import EventKind
from ingest.http.answers import ACCEPTED, DUPLICATE, MANY, answer_many, answer_one
from ingest.http.base import DoorView
from ingest.http.body import read_body
from ingest.http.openapi import CLOUDEVENTS, IDEMPOTENCY_KEY, Described, either
from ingest.http.origin import read_origin
from ingest.http.problems import Answer, as_problem, as_response
from ingest.parsing import cloudevents
from ingest.parsing.candidate import Context, Parsed, Refused
from ingest.parsing.events import Batch, EventBody, parse_batch, parse_one
from ingest.parsing.forms import is_list, parse_form, parse_form_list
from ingest.parsing.identity import RequestIds
from ingest.publishing.admission import Admitted, Origin, take
from ingest.publishing.event_limit import event_limit
from ingest.publishing.submission import KeyLimit, Outcome
from ingest.publishing.waiting import HERE, Waiting, run_here
from ingest.reading.views import ListingView, find
from processing import tracing

PROBLEMS = (400, 401, 403, 405, 408, 409, 413, 415, 429, 503)


class IngestView(DoorView):
    """What the endpoints share that take events. `take` is all of it: a server that has an event loop needs no more."""

    def patience_s(self) -> float | None:
        """How long a client waits for Kafka; None: as usual."""
        return None

    def read(self, request: HttpRequest) -> Parsed | list[Parsed]:
        """One event, or many. Raises `Invalid` and `Problem`."""
        raise NotImplementedError

    def answer_one(self, event: Parsed, outcome: Outcome) -> Answer:
        return answer_one(event, outcome)

    def context(self) -> Context:
        kinds = self.caller.kinds
        return Context(self.caller.id, time.time_ns() // 1_000_000, event_limit(), RequestIds(), kinds)

    def origin(self, request: HttpRequest) -> Origin:
        origin, caller = read_origin(request.META), self.caller
        if not caller.rate_limit:
            return origin
        return replace(origin, key_limit=KeyLimit(f"rate:{caller.id.replace(' ', ':')}", caller.rate_limit))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method != "POST":  # `take` asks who calls by itself
            super().initial(request, *args, **kwargs)

    def post(self, request: Request) -> HttpResponse:
        return as_response(run_here(self.take(request._request, HERE)))

    async def take(self, request: HttpRequest, waiting: Waiting) -> Answer:
        """What becomes of a request. Raises nothing: every error is a problem."""
        try:
            answer = await self._take(request, waiting)
        except Exception as error:  # noqa: BLE001 - a bug is logged and becomes a problem too
            answer = as_problem(error).answer()
        answer.headers.update(self.limit_fields())
        return answer

    async def _take(self, request: HttpRequest, waiting: Waiting) -> Answer:
        authorization = request.META.get("HTTP_AUTHORIZATION", "")
        caller = caller_at_hand(authorization, bare=self.bare_keys)
        if caller is None:
            caller = await waiting.call(partial(caller_of, authorization, bare=self.bare_keys))
        self.caller = caller
        caller.require_write()
        parsed = self.read(request)
        events = parsed if isinstance(parsed, list) else [parsed]
        admitted = await self._admit(request, events, waiting)
        self.remaining, self.key_remaining = admitted.remaining, admitted.key_remaining
        if isinstance(parsed, list):
            return answer_many(admitted.outcomes)
        return self.answer_one(parsed, admitted.outcomes[0])

    async def _admit(self, request: HttpRequest, events: list[Parsed], waiting: Waiting) -> Admitted:
        origin = self.origin(request)
        if not tracing.is_on():
            return await take(events, origin, waiting, self.patience_s())
        with tracing.sending(f"POST {request.path}", origin.traceparent, _told(events)) as traceparent:
            return await take(events, replace(origin, traceparent=traceparent), waiting, self.patience_s())


def _told(events: Sequence[Parsed]) -> dict[str, str | int]:
    """Of a request, for its trace."""
    first = events[0]
    if len(events) > 1 or isinstance(first, Refused):
        return {"messaging.batch.message_count": len(events)}
    return {"event.id": first.id, "event.user": first.user_id}


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

    def read(self, request: HttpRequest) -> Parsed | list[Parsed]:
        is_structured = cloudevents.is_media_type(request.content_type or "")
        is_binary = not is_structured and cloudevents.is_binary(request.META)
        body = read_body(request, untyped=is_binary)
        key, context = idempotency_key(request), self.context()
        if is_binary:
            return cloudevents.parse_binary(cloudevents.read_attributes(request.META), body, key, context)
        if is_structured:
            return read_structured(body, key, context)
        event = parse_one(body, key, context)
        if isinstance(event, Refused) and cloudevents.are_structured(body):
            return read_structured(body, key, context)
        return event


class EventBatchView(IngestView):
    operations = {"POST": Described("Take many events", {202: MANY}, Batch, PROBLEMS)}

    def read(self, request: HttpRequest) -> list[Parsed]:
        return parse_batch(read_body(request), settings.BATCH_MAX_EVENTS, self.context())

    def check_kinds(self) -> None:
        """Of the one event, once it is found."""

    def get(self, request: Request) -> Response:
        """Of the event whose id is `batch`."""
        return find("batch", self.caller)


class FamilyView(IngestView, ListingView):
    """One event of a family in the family's own form, or a list of them."""

    kind: EventKind | None = None  # `as_view` sets it

    def check_kinds(self) -> None:
        assert self.kind is not None
        self.caller.require_kind(self.kind.name)

    def read(self, request: HttpRequest) -> Parsed | list[Parsed]:
        assert self.kind is not None
        body = read_body(request)
        key = idempotency_key(request)
        if not is_list(body):
            return parse_form(self.kind, body, key, self.context())
        return parse_form_list(self.kind, body, key, settings.BATCH_MAX_EVENTS, self.context())


def read_structured(body: bytes, key: str | None, context: Context) -> Parsed | list[Parsed]:
    """One CloudEvent or a list: the body's form says which."""
    if not is_list(body):
        return cloudevents.parse_structured(body, key, context)
    return cloudevents.parse_list(body, key, settings.BATCH_MAX_EVENTS, context)


def idempotency_key(request: HttpRequest) -> str | None:
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    return key
