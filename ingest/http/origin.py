"""Where a request comes from: its client's address, and the trace that it belongs to."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from ingest.publishing.admission import Origin
from processing.domain.traces import read_traceparent

UNKNOWN = "unknown"


def read_origin(meta: Mapping[str, Any]) -> Origin:
    """From the WSGI environment. The address is empty where no limit asks for it."""
    address = client_address(meta, settings.TRUSTED_PROXY_COUNT) if settings.RATE_LIMIT_PER_IP else ""
    return Origin(address, read_traceparent(meta.get("HTTP_TRACEPARENT", "")))


def client_address(meta: Mapping[str, Any], trusted: int) -> str:
    """What the outermost of the trusted proxies saw; the peer's own address without one, or if it is no address."""
    peer = parse_address(meta.get("REMOTE_ADDR", "")) or UNKNOWN
    if not trusted:
        return peer
    entries = meta.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return parse_address(entries[-trusted]) or peer if len(entries) >= trusted else peer


def parse_address(text: str) -> str:
    """In its one canonical form; empty if it is none."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Address(int(address)))  # without a zone, which may be any text
    return str(address)
