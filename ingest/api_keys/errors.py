"""Why a caller is not let in."""

from __future__ import annotations


class KeyRefused(Exception):
    """An API key is required, and there is none that counts."""


class NotAllowed(Exception):
    """The API key lacks a right."""


class KeysUnreadable(Exception):
    """Postgres cannot be asked for the key."""
