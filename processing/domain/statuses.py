"""The states of an event in the inbox, and what an operator may do in each.

arrival ──▶ processed            its handler ran, or it has none
    │ ├───▶ skipped              its place in the lane was taken or passed
    │ └───▶ held ──▶ (its turn)  an earlier seq of the user is missing or being retried
    └─────▶ retrying ──▶ processed
               ▲  └────▶ failed  tries used up: a dead letter
               └───────── replay ┘
"""

from django.db import models


class Status(models.TextChoices):
    HELD = "held", "held: waits for an earlier seq of its user"
    RETRYING = "retrying", "retrying: its handler failed and will run again"
    PROCESSED = "processed", "processed"
    FAILED = "failed", "failed: tries used up, or unreadable; a dead letter"
    SKIPPED = "skipped", "skipped: its seq was taken by another event, or passed over"


FINAL = frozenset({Status.PROCESSED, Status.FAILED, Status.SKIPPED})
WAITING = frozenset({Status.HELD, Status.RETRYING})
