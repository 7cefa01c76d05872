"""Why a caller is not let in."""

from __future__ import annotations


class KeyRefused(Exception):
    """An API key is required, and there is none that counts."""


class KeysUnreadable(Exception):
    """Postgres cannot be asked for the key."""
