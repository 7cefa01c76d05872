"""Gaps, as a consumer passes them once the log has been read far enough."""

from __future__ import annotations

from processing.domain.lanes import PassableGaps
from processing.engine import release
from processing.models import InboxEvent, Lane
from processing.postgres.inbox import WAITING_STATUSES


def pass_gap(user: str) -> int:
    """Pass the gap before the first event that waits in the user's lane, and release the lane; returns 1 if so."""
    front = Lane.objects.get(user_id=user).next_seq
    waiting = InboxEvent.objects.filter(user_id=user, seq__gt=front, status__in=WAITING_STATUSES).order_by("seq")
    first = waiting[0].seq
    assert first is not None
    return release.pass_gaps([PassableGaps(user, front, first)])
