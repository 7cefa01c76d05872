"""Who calls: from the Authorization header to an API key's id. A key is looked up once in a few seconds."""

from __future__ import annotations

import hmac
import time
from hashlib import sha256

from django.conf import settings
from django.db import Error

from ingest.api_keys.errors import KeyRefused, KeysUnreadable
from ingest.api_keys.models import ApiKey

ANONYMOUS = "anonymous"
CACHED_S = 5.0  # so soon a revoked key is refused everywhere, and a new one known
CACHE_MAX = 10_000

_cache: dict[str, tuple[str, float]] = {}  # hash: caller (empty: no such key), when it runs out


def caller_of(authorization: str, *, bare: bool = False) -> str:
    """The caller's id. Raises `KeyRefused`, and `KeysUnreadable` when the key cannot be looked up."""
    key = named_key(authorization, bare=bare)
    return _admitted(find_caller(_digest(key)) if key else "", key)


def caller_at_hand(authorization: str, *, bare: bool = False) -> str | None:
    """As `caller_of`, where Postgres need not be asked; else None. It looks once: what is known may run out."""
    key = named_key(authorization, bare=bare)
    caller = _cached(_digest(key)) if key else ""
    return None if caller is None else _admitted(caller, key)


def _admitted(caller: str, key: str) -> str:
    if caller:
        return caller
    if settings.INGEST_REQUIRE_API_KEY:
        raise KeyRefused(
            "this API key is unknown or revoked" if key else "an API key is needed: Authorization: Api-Key …"
        )
    return ANONYMOUS


def _digest(key: str) -> str:
    return sha256(key.encode("latin-1", "replace")).hexdigest()  # WSGI has the header's bytes as Latin-1


def _cached(digest: str) -> str | None:
    caller, until = _cache.get(digest, ("", 0.0))
    return caller if time.monotonic() <= until else None


def named_key(authorization: str, *, bare: bool = False) -> str:
    """The key in an Authorization header, which may stand there `bare`; empty if it names none."""
    scheme, _, key = authorization.strip().partition(" ")
    if scheme.lower() == "api-key":
        return key.strip()
    return authorization.strip() if bare else ""


def find_caller(digest: str) -> str:
    """The id of the key with this hash, empty if there is none that counts."""
    caller = _cached(digest)
    if caller is None:
        now = time.monotonic()
        caller = _look_up(digest)
        if len(_cache) >= CACHE_MAX:  # of a flood of made-up keys
            _cache.clear()
        _cache[digest] = caller, now + CACHED_S
    return caller


def _look_up(digest: str) -> str:
    try:
        found = ApiKey.objects.filter(sha256=digest, revoked_at=None).values_list("id", "sha256").first()
    except Error as error:
        raise KeysUnreadable("Postgres cannot be asked for the API key: try again later") from error
    return f"key {found[0]}" if found and hmac.compare_digest(found[1], digest) else ""


def forget_cached() -> None:
    _cache.clear()
