"""How redis-py reads a Redis URL, and what its connections do after a fail-over. Nothing is connected to here."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from redis import ConnectionPool, RedisError
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ReadOnlyError
from redis.retry import Retry

CERT_REQS = {"CERT_REQUIRED": "required", "CERT_OPTIONAL": "optional", "CERT_NONE": "none"}  # Celery's spellings
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

# After a fail-over old connections may still be open, to a server that is a replica now. A command that it refused is
# sent once more, on a connection opened anew: nothing of it was done.
REOPEN_A_REPLICAS = Retry(NoBackoff(), 1, supported_errors=(ReadOnlyError,))


def read(text: str) -> str:
    """The URL as redis-py takes it, also where it is spelled for Celery. Raises `ValueError` for what it refuses."""
    address, _, query = text.partition("?")
    options = {name: CERT_REQS.get(value, value) for name, value in parse_qsl(query, keep_blank_values=True)}
    if options.get("ssl_cert_reqs", "none") not in CERT_REQS.values():
        raise ValueError("ssl_cert_reqs in it is none of required, optional, none")
    missing = [name for name in TLS_FILES if name in options and not Path(options[name]).is_file()]
    if missing:
        raise ValueError(f"{missing[0]} in it names no file that is there")
    url = f"{address}?{urlencode(options, safe='/')}" if options else address
    try:
        ConnectionPool.from_url(url).make_connection()  # not opened
    except (TypeError, RedisError) as error:
        raise ValueError(str(error)) from error
    return url


def members(url: str) -> dict[str, Any]:
    """Host, port, database and options, by redis-py's names."""
    found: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    return {name: value for name, value in found.items() if name != "connection_class"}
