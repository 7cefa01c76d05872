"""Django's request, as the web server makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.handlers.wsgi import WSGIRequest


class Request(WSGIRequest):
    """One that is there whatever its Content-Type says: which types are taken is the view's to say."""

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
        except ValueError:  # a parameter in a coding that nobody knows
            self.content_type, self.content_params = meta["CONTENT_TYPE"], {}
