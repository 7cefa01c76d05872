"""Making API keys."""

from __future__ import annotations

import secrets
from hashlib import sha256

from django.db import IntegrityError, router, transaction

from ingest.api_keys.models import ApiKey

SECRET_BYTES = 32
PREFIX_LENGTH = 8


class KeyExists(Exception):
    """Another key has this secret."""


def create_api_key(name: str, secret: str | None = None) -> str:
    """Keep a new key's hash, and return the key: nobody can read it again. Raises `KeyExists`."""
    key = secret or f"ek_{secrets.token_urlsafe(SECRET_BYTES)}"
    prefix = key[: min(PREFIX_LENGTH, len(key) // 4)]  # little enough of a short one
    try:
        with transaction.atomic(using=router.db_for_write(ApiKey)):
            ApiKey.objects.create(name=name, prefix=prefix, sha256=sha256(key.encode()).hexdigest())
    except IntegrityError as error:
        raise KeyExists("a key with this secret exists already") from error
    return key
