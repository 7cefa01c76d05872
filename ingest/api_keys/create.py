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
    """A new key for everything, see `issue`."""
    return issue(ApiKey(name=name), secret)


def issue(key: ApiKey, secret: str | None = None) -> str:
    """Keep a new key's hash, and return the key: nobody can read it again. Raises `KeyExists`."""
    text = secret or f"ek_{secrets.token_urlsafe(SECRET_BYTES)}"
    key.prefix = text[: min(PREFIX_LENGTH, len(text) // 4)]  # little enough of a short one
    key.sha256 = sha256(text.encode()).hexdigest()
    try:
        with transaction.atomic(using=router.db_for_write(ApiKey)):
            key.save(force_insert=True)
    except IntegrityError as error:
        raise KeyExists("a key with this secret exists already") from error
    return text
