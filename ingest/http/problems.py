"""Errors as `application/problem+json` (RFC 9457). No stack trace ever leaves the server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
import structlog
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response

from ingest.api_keys.errors import KeyRefused, KeysUnreadable, NotAllowed
from ingest.parsing.candidate import FieldError
from ingest.publishing.errors import AddressLimited, Unavailable
from ingest.publishing.submission import Truth
from processing.domain.envelope import Invalid
from processing.postgres.errors import is_at_its_limit, is_missing_object

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

View = Callable[..., HttpResponseBase]
R = TypeVar("R", bound=HttpResponseBase)

_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(slots=True)
class Answer:
    """To a request: `body` becomes JSON."""

    body: Any
    status: HTTPStatus
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"

    def content(self) -> bytes:
        return encode_json(self.body)


def encode_json(body: Any) -> bytes:
    return _encode(body)


class ProblemBody(msgspec.Struct, omit_defaults=True):
    """RFC 9457, with members of our own. `outcome` of what could not be taken: `none`, the same may be sent again;
    `unknown`, it is to be sent again with this `eventId` or the same Idempotency-Key, so that it counts once."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    errors: list[FieldError]
    eventId: str = ""  # noqa: N815 - the wire's name
    outcome: Truth | msgspec.UnsetType = msgspec.UNSET


class Problem(Exception):
    """An answer that is an error. `errors` name the members at fault; `more` are further members of the body."""

    def __init__(
        self,
        status: HTTPStatus,
        error: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.errors = errors or (FieldError("", error),)
        self.headers = dict(headers or {})
        self.more = more

    def answer(self) -> Answer:
        body = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.error,
            "error": self.error,
            "errors": list(self.errors),
            **self.more,
        }
        return Answer(body, self.status, self.headers, MEDIA_TYPE)


def retry_after(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler: every exception becomes a problem."""
    answer = as_problem(error).answer()
    return unlogged(Response(answer.body, answer.status, headers=answer.headers, content_type=answer.media_type))


def as_problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case Invalid():
            return Problem(HTTPStatus.BAD_REQUEST, str(error), errors=[FieldError(error.path, error.message)])
        case Unavailable():
            headers = retry_after(error.retry_after)
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers=headers, outcome=Truth.NONE)
        case KeysUnreadable():
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers=retry_after(1), outcome=Truth.NONE)
        case KeyRefused():
            realm = {"WWW-Authenticate": 'Api-Key realm="events"'}
            return Problem(HTTPStatus.UNAUTHORIZED, str(error), headers=realm)
        case NotAllowed():
            return Problem(HTTPStatus.FORBIDDEN, str(error))
        case AddressLimited():
            text = "your address' rate limit is used up: try again later"
            return Problem(HTTPStatus.TOO_MANY_REQUESTS, text, headers=retry_after(1))
        case DatabaseError() | InterfaceError():
            return _of_postgres(error)
    return _of_frameworks(error)


def _of_frameworks(error: Exception) -> Problem:
    """What Django and DRF raise by themselves; anything else is a bug, and loud."""
    match error:
        case Http404() | exceptions.NotFound():
            return Problem(HTTPStatus.NOT_FOUND, "there is nothing at this address")
        case PermissionDenied():
            return Problem(HTTPStatus.FORBIDDEN, "this is not allowed")
        case exceptions.APIException():
            return Problem(HTTPStatus(error.status_code), str(error.detail))
    log.error("a request failed", exc_info=error)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why")


def _of_postgres(error: Exception) -> Problem:
    if is_at_its_limit(error):
        log.warning("Postgres cannot be used", error=str(error))
        hint = "more requests need it at once than may: try again later"
    elif is_missing_object(error):  # a migration is to come, or was taken back
        log.error("Postgres cannot be used", error=str(error))
        hint = "a table or column is missing, see /health/ready"
    else:
        log.error("Postgres cannot be used", exc_info=error)
        hint = "try again later"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"Postgres cannot be used: {hint}", headers=retry_after(1))


def response(problem: Problem) -> HttpResponse:
    """Outside of DRF's views."""
    return as_response(problem.answer())


def as_response(answer: Answer) -> HttpResponse:
    return unlogged(HttpResponse(answer.content(), answer.media_type, answer.status, headers=answer.headers))


def unlogged(answer: R) -> R:
    """Unless the server is at fault: of bad requests Django would log a line each, a client could fill the disk."""
    if answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        setattr(answer, "_has_been_logged", True)  # noqa: B010 - an attribute of Django's own
    return answer


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For a request that Django itself refuses, as one for a host that is not ours."""
    return response(refused_host())


def refused_host() -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "the request was refused; is the Host one of ALLOWED_HOSTS?")


def server_error(request: HttpRequest) -> HttpResponse:
    """For what a page outside of the API raises, the admin's too."""
    error = sys.exception()
    if isinstance(error, DatabaseError | InterfaceError):
        return response(_of_postgres(error))
    return response(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why"))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For a path that nobody has."""
    return response(Problem(HTTPStatus.NOT_FOUND, "there is nothing at this address"))


def get_only(view: View) -> View:
    """A page that is only read: any other method is a problem, whatever the view makes of it."""

    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method in ("GET", "HEAD"):
            return view(request, *args, **kwargs)
        return response(Problem(HTTPStatus.METHOD_NOT_ALLOWED, "this can only be read", headers={"Allow": "GET, HEAD"}))

    return csrf_exempt(answer)
