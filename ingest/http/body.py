"""Reading a request's body: of the right type, and never more than BODY_MAX_BYTES of it."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest

from ingest.http.problems import Problem
from processing.domain.decode import BOM


def read_body(request: HttpRequest) -> bytes:
    """The body, without a byte order mark. Raises `Problem` 413 and 415, `UnreadablePostError`."""
    limit = settings.BODY_MAX_BYTES
    length = request.META.get("CONTENT_LENGTH") or ""
    if length in ("", "0") and "HTTP_TRANSFER_ENCODING" not in request.META:
        return b""  # and so of no type
    check_type(request)
    if length.isdecimal():
        body = b"" if int(length) > limit else request.read(int(length))
        too_large = int(length) > limit
    else:  # chunked: Django takes a body without a length for none
        body = request.META["wsgi.input"].read(limit + 1)
        too_large = len(body) > limit
    if too_large:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes")
    return body.removeprefix(BOM)


def check_type(request: HttpRequest) -> None:
    kind = request.content_type or ""
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        text = f"the Content-Type must be application/json, not {kind!r}" if kind else "the Content-Type is missing"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{text[:200]}; send application/json")
    charset = request.content_params.get("charset", "utf-8") if request.content_params else "utf-8"
    if charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "JSON must be sent as UTF-8")
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a body with a Content-Encoding is not taken; send it plain")
