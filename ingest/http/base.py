"""What the door's views share: JSON in and out, problems, API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ingest.api_keys.callers import ANONYMOUS, STAFF, caller_of, named_key
from ingest.http.answers import limit_fields
from ingest.http.openapi import Described, Operation
from ingest.http.problems import encode_json, handle_exception
from processing.postgres.transaction import not_atomic


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, media_type: str | None = None, context: Mapping[str, Any] | None = None) -> bytes:
        return encode_json(data)


class AlwaysJson(BaseContentNegotiation):
    """There is one form of answer: whatever a client says to accept, it gets that."""

    def select_parser(self, request: Request, parsers: Any) -> None:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class JsonView(APIView):
    """JSON and problems, for anybody."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = ()
    renderer_classes = (JsonRenderer,)
    content_negotiation_class = AlwaysJson
    metadata_class = None
    versioning_class = None
    schema = Operation()
    operations: Mapping[str, Described] = {}  # by method: what the OpenAPI document says of it

    @classmethod
    def as_view(cls, **options: Any) -> Any:
        return not_atomic(super().as_view(**options))

    def get_exception_handler(self) -> Any:
        return handle_exception


class CallerView(JsonView):
    """For readers with an API key, or a session of the admin, where one is required."""

    caller = ANONYMOUS
    bare_keys = False  # whether Authorization may be the key alone, as clients of the old server send it

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        authorization = request.META.get("HTTP_AUTHORIZATION", "")
        self.caller = STAFF if self._is_staff(request, authorization) else caller_of(authorization, bare=self.bare_keys)
        self.caller.require_read()
        self.check_kinds()

    def check_kinds(self) -> None:
        """Whether the caller's API key is for the events that can be read here. Raises `NotAllowed`."""
        self.caller.require_kind(None)

    def _is_staff(self, request: Request, authorization: str) -> bool:
        """Staff read what the admin shows them. The database is asked only where a key is required and none named."""
        if not settings.INGEST_REQUIRE_API_KEY or named_key(authorization, bare=self.bare_keys):
            return False
        if not hasattr(request._request, "session"):  # a project without the admin needs none
            return False
        user = get_user(request._request)  # DRF has put nobody in its place
        return user.is_active and user.is_staff and user.has_perm("processing.view_inboxevent")


class DoorView(CallerView):
    """Takes events: every answer tells the limits."""

    remaining: int | None = None
    key_remaining: int | None = None

    def limit_fields(self) -> dict[str, str]:
        return limit_fields(self.remaining, self.caller.rate_limit, self.key_remaining)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in self.limit_fields().items():
            answer[name] = value
        return answer
