"""Why a request as a whole was not taken."""

from __future__ import annotations


class Unavailable(Exception):
    """A dependency is missing or behind: nothing of the request was taken. `retry_after` in seconds."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AddressLimited(Exception):
    """The client address has used up its rate limit."""
