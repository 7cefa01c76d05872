"""What the door's views share: JSON in and out, problems, API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ingest.api_keys.callers import caller_of
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
    """For callers with an API key, where one is required."""

    caller = ""
    bare_keys = False  # whether Authorization may be the key alone, as clients of the old server send it

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.caller = caller_of(request.META.get("HTTP_AUTHORIZATION", ""), bare=self.bare_keys)


class DoorView(CallerView):
    """Takes events: every answer tells the limits."""

    remaining: int | None = None

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in limit_fields(self.remaining).items():
            answer[name] = value
        return answer
