"""System checks: can events be sent here?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.urls import NoReverseMatch, reverse


@register(Tags.urls)
def check_addresses(*, app_configs: Sequence[Any] | None, **options: Any) -> list[CheckMessage]:
    """ingest.W001: the endpoints have no address."""
    try:
        reverse("ingest:event", args=["."])
    except NoReverseMatch:
        hint = "Add path('', include('ingest.urls')) to ROOT_URLCONF, below any prefix that has no parameters."
        return [Warning("ingest.urls is not included: no event can be sent.", hint=hint, id="ingest.W001")]
    return []
