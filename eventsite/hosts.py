"""Which Host a request may ask by."""

from __future__ import annotations

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponseBase
from django.middleware.common import CommonMiddleware

from ingest.http.problems import bad_request

OF_OPERATORS = ("/health/", "/metrics")  # probes and scrapers ask by an address


class HostCheck(CommonMiddleware):
    """Django's own, but a Host that is none of ALLOWED_HOSTS gets a problem; health and metrics answer any."""

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:  # type: ignore[override]
        if request.path_info.startswith(OF_OPERATORS):
            return None
        try:
            return super().process_request(request)
        except DisallowedHost:
            return bad_request(request)
