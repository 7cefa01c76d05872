"""Who calls, and what they may: from the Authorization header to an API key, looked up once in a few seconds."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import structlog
from django.conf import settings
from django.db import Error, router, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from ingest.api_keys.errors import KeyRefused, KeysUnreadable, NotAllowed
from ingest.api_keys.models import ApiKey
from ingest.parsing.candidate import is_for

CACHED_S = 5.0  # so soon a revoked or changed key is known as such everywhere, and a new one known
CACHE_MAX = 10_000
NOTED_EVERY = timedelta(minutes=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Caller:
    """`kinds`: families, and NO_FAMILY for events without one; empty: all. `rate_limit`: events per second that it may
    send; 0: none of its own."""

    id: str
    may_write: bool = True
    may_read: bool = True
    kinds: frozenset[str] = frozenset()
    rate_limit: int = 0

    def require_write(self) -> None:
        """Raises `NotAllowed`."""
        if not self.may_write:
            raise NotAllowed("this API key may read, not send events")

    def require_read(self) -> None:
        """Raises `NotAllowed`."""
        if not self.may_read:
            raise NotAllowed("this API key may send events, not read them")

    def require_kind(self, family: str | None) -> None:
        """`family`: of the events that are read, '' for none; None: events of all kinds. Raises `NotAllowed`."""
        if family is None and self.kinds:
            raise NotAllowed(f"this API key is for {_told(self.kinds)} alone: read these by their own addresses")
        if family is not None and not is_for(self.kinds, family):
            raise NotAllowed(f"this API key is for {_told(self.kinds)} alone")


ANONYMOUS = Caller("anonymous")
STAFF = Caller("staff", may_write=False)

_cache: dict[str, tuple[Caller | None, float]] = {}  # hash: caller (None: no such key), when it runs out


def caller_of(authorization: str, *, bare: bool = False) -> Caller:
    """Raises `KeyRefused`, and `KeysUnreadable` when the key cannot be looked up."""
    key = named_key(authorization, bare=bare)
    return _admitted(find_caller(_digest(key)) if key else None, key)


def caller_at_hand(authorization: str, *, bare: bool = False) -> Caller | None:
    """As `caller_of`, where Postgres need not be asked; else None. It looks once: what is known may run out."""
    key = named_key(authorization, bare=bare)
    if not key:
        return _admitted(None, key)
    known = _cached(_digest(key))
    return None if known is None else _admitted(known[0], key)


def _admitted(caller: Caller | None, key: str) -> Caller:
    if caller is not None:
        return caller
    if settings.INGEST_REQUIRE_API_KEY:
        raise KeyRefused(
            "this API key is unknown, revoked or has expired"
            if key
            else "an API key is needed: Authorization: Api-Key …"
        )
    return ANONYMOUS


def _told(kinds: frozenset[str]) -> str:
    return ", ".join(sorted(kinds))


def _digest(key: str) -> str:
    return sha256(key.encode("latin-1", "replace")).hexdigest()  # WSGI has the header's bytes as Latin-1


def _cached(digest: str) -> tuple[Caller | None, float] | None:
    known = _cache.get(digest)
    return known if known is not None and time.monotonic() <= known[1] else None


def named_key(authorization: str, *, bare: bool = False) -> str:
    """The key in an Authorization header, which may stand there `bare`; empty if it names none."""
    scheme, _, key = authorization.strip().partition(" ")
    if scheme.lower() == "api-key":
        return key.strip()
    return authorization.strip() if bare else ""


def find_caller(digest: str) -> Caller | None:
    """Whose key has this hash; None if there is none that counts."""
    known = _cached(digest)
    if known is None:
        now = time.monotonic()
        caller, left_s = _look_up(digest)
        if len(_cache) >= CACHE_MAX:  # of a flood of made-up keys
            _cache.clear()
        _cache[digest] = known = caller, now + min(CACHED_S, left_s)
    return known[0]


def _look_up(digest: str) -> tuple[Caller | None, float]:
    """And for how many seconds it counts."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=Now())
    keys = ApiKey.objects.filter(unexpired, sha256=digest, revoked_at=None)
    try:
        found = keys.annotate(left=F("expires_at") - Now(), at=Now()).first()
        if found is None or not hmac.compare_digest(found.sha256, digest):
            return None, CACHED_S
        if found.last_used_at is None or found.at - found.last_used_at > NOTED_EVERY:
            _note_use(found)
    except Error as error:
        raise KeysUnreadable("Postgres cannot be asked for the API key: try again later") from error
    caller = Caller(f"key {found.pk}", found.may_write, found.may_read, frozenset(found.kinds), found.rate_limit)
    return caller, CACHED_S if found.left is None else found.left.total_seconds()


def _note_use(key: ApiKey) -> None:
    """By one of many who see it at once, and by none while somebody has the row locked: no caller waits for that.

    A database that only reads refuses it, which is no reason to refuse the caller.
    """
    due = ApiKey.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=Now() - NOTED_EVERY), pk=key.pk)
    try:
        with transaction.atomic(using=router.db_for_write(ApiKey)):
            if due.select_for_update(skip_locked=True).exists():
                due.update(last_used_at=Now())
    except Error as error:
        log.warning("when an API key was used could not be noted", key=key.prefix, error=str(error))


def forget_cached() -> None:
    _cache.clear()
