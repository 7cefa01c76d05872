"""Revenue over HTTP: changes come in, balances are read."""

from __future__ import annotations

from decimal import Decimal
from http import HTTPStatus

import msgspec
from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response

from ingest.http.answers import SAMPLE_ID
from ingest.http.base import CallerView
from ingest.http.body import read_body
from ingest.http.openapi import IDEMPOTENCY_KEY, USER_ID, Described, body_schema, path_parameter
from ingest.http.problems import Answer, Problem
from ingest.parsing.candidate import Parsed
from ingest.parsing.forms import is_list, parse_form, refused_form
from ingest.parsing.money import show_money
from ingest.publishing.submission import Outcome
from ingest.views import PROBLEMS, IngestView, idempotency_key
from processing.domain.envelope import Invalid
from revenue.events import REVENUE
from revenue.models import UserRevenue

RECEIVED = "Event received"
MAX_USER_ID = 255


class Received(msgspec.Struct):
    """The answer of the old server, with the event's id."""

    message: str
    eventId: str  # noqa: N815 - the wire's name


class Revenue(msgspec.Struct):
    """A user's balance, with two decimal places."""

    userId: str  # noqa: N815 - the wire's name
    revenue: str


class LiveEventView(IngestView):
    """One change of a user's revenue."""

    bare_keys = True
    operations = {
        "POST": Described(
            "Add to a user's revenue, or take from it",
            {200: Received(RECEIVED, SAMPLE_ID)},
            body_schema(REVENUE),
            PROBLEMS,
            (IDEMPOTENCY_KEY,),
        )
    }

    def patience_s(self) -> float:
        """Longer than elsewhere: its clients never send again."""
        return float(settings.LIVE_EVENT_WAIT_MS / 1000)

    def read(self, request: HttpRequest) -> Parsed:
        body = read_body(request)
        if is_list(body):
            error = Invalid("", "is a list: send one event, this endpoint takes no more at once")
            return refused_form(REVENUE, error, body)
        return parse_form(REVENUE, body, idempotency_key(request), self.context())

    def answer_one(self, event: Parsed, outcome: Outcome) -> Answer:
        answer = super().answer_one(event, outcome)
        return Answer(Received(RECEIVED, outcome.event_id), HTTPStatus.OK, answer.headers)


class UserEventsView(CallerView):
    """What a user's events came to."""

    bare_keys = True
    operations = {
        "GET": Described(
            "Tell a user's revenue",
            {200: Revenue("u-1", "12.34")},
            problems=(401, 403, 404, 503),
            parameters=[path_parameter("user_id", USER_ID, "u-1")],
        )
    }

    def check_kinds(self) -> None:
        self.caller.require_kind(REVENUE.name)

    def get(self, request: Request, user_id: str) -> Response:
        revenue = find_revenue(user_id)
        if revenue is None:
            raise Problem(HTTPStatus.NOT_FOUND, "this user has no revenue events")
        return Response(Revenue(user_id, show_money(revenue)))


def find_revenue(user_id: str) -> Decimal | None:
    """A balance; None for a user that has none. Raises `django.db.Error`."""
    if "\0" in user_id or len(user_id) > MAX_USER_ID:
        return None
    return UserRevenue.objects.filter(pk=user_id).values_list("revenue", flat=True).first()
