"""The states of an event in the inbox, and what an operator may do in each.

arrival ──▶ processed            its handler ran, or it has none
    │ ├───▶ skipped              its place in the lane was taken or passed
    │ └───▶ held ──▶ (released)  an earlier seq of the user is missing or being retried, or its kind is set aside
    └─────▶ retrying ──▶ processed
               ▲  └────▶ failed  tries used up: a dead letter
               └───────── replay ┘
"""

from enum import StrEnum


class Status(StrEnum):
    HELD = "held"
    RETRYING = "retrying"
    PROCESSED = "processed"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def label(self) -> str:
        """The word and what it means, for the operator's pages."""
        return _LABELS[self]


_LABELS = {
    Status.HELD: "held: waits for an earlier seq of its user, or for its kind",
    Status.RETRYING: "retrying: its handler failed and will run again",
    Status.PROCESSED: "processed",
    Status.FAILED: "failed: tries used up, or unreadable; a dead letter",
    Status.SKIPPED: "skipped: its seq was taken by another event, or passed over",
}

FINAL = frozenset({Status.PROCESSED, Status.FAILED, Status.SKIPPED})
WAITING = frozenset({Status.HELD, Status.RETRYING})
