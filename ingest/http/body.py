"""Reading a request's body: of the right type, and never more than BODY_MAX_BYTES of it, as sent and decoded."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, UnreadablePostError

from ingest.http.codings import CODINGS, TAKEN, Broken, TooLarge, decode_body
from ingest.http.problems import Problem, retry_after
from ingest.publishing.submission import Truth
from processing.domain.decode import BOM


def read_body(request: HttpRequest, *, untyped: bool = False) -> bytes:
    """The body, decoded, without a byte order mark; one that is `untyped` may have no type. Raises `Problem` 400, 408,
    413, 415 and 503."""
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if not length:
        return b""  # and so of no type
    if request.content_type or not untyped:
        check_type(request)
    coding = content_coding(request)
    if length > settings.BODY_MAX_BYTES:
        raise too_large()
    try:
        body = request.read(length)
    except UnreadablePostError as error:
        raise unreadable(error.__cause__) from error
    return (decoded(coding, body) if coding else body).removeprefix(BOM)


def decoded(coding: str, body: bytes) -> bytes:
    try:
        return decode_body(coding, body, settings.BODY_MAX_BYTES)
    except TooLarge as error:
        raise too_large() from error
    except Broken as error:
        text = f"the body cannot be decoded by its Content-Encoding, {coding}: {error}"
        raise Problem(HTTPStatus.BAD_REQUEST, text) from error


def too_large() -> Problem:
    text = f"the body is larger than {settings.BODY_MAX_BYTES} bytes"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)


def unreadable(error: BaseException | None) -> Problem:
    """What a body that is not there means to the client; `error` says why it is not, see `eventsite.bodies`."""
    match error:
        case TimeoutError():
            text = f"the body did not come within {settings.BODY_TIMEOUT_S} s: send it again"
            return Problem(HTTPStatus.REQUEST_TIMEOUT, text, headers={"Connection": "close"})
        case BlockingIOError():
            text = "the server cannot wait for the body: try again later"
            headers = {"Connection": "close", **retry_after(1)}
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, text, headers=headers, outcome=Truth.NONE)
    return Problem(HTTPStatus.BAD_REQUEST, "the body could not be read to its end")


def check_type(request: HttpRequest) -> None:
    kind = request.content_type or ""
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        text = f"the Content-Type must be application/json, not {kind!r}" if kind else "the Content-Type is missing"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{text[:200]}; send application/json")
    charset = request.content_params.get("charset", "utf-8") if request.content_params else "utf-8"
    if charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "JSON must be sent as UTF-8")


def content_coding(request: HttpRequest) -> str:
    """One of CODINGS; empty for a body that is plain. Several, one upon another, are not taken."""
    coding: str = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if coding in ("", "identity"):
        return ""
    if coding not in CODINGS:
        text = f"the Content-Encoding {coding[:100]!r} is not taken: send one of {', '.join(TAKEN)}, or the body plain"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text, headers={"Accept-Encoding": ", ".join(TAKEN)})
    return coding
