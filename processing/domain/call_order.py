"""Which handler calls a batch needs, and in which order: as few as the order of each user allows. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from processing.domain.outcomes import Attempt

INJECTED_FAILURE = "payload.fail"  # the group of events that are to fail; no family can have this name


def group_of(attempt: Attempt, injected_failures: bool) -> str:
    """The family whose handler an event goes to; INJECTED_FAILURE for a try that is to fail, where that is obeyed."""
    fails = injected_failures and attempt.attempts < attempt.event.fails
    return INJECTED_FAILURE if fails else attempt.event.family


def plan_calls(attempts: Sequence[Attempt], *, injected_failures: bool) -> list[tuple[str, list[Attempt]]]:
    """The handler calls that a batch needs, as (group, attempts), in order.

    Two attempts with one ordering key, or two of one user without any, never swap, not even across families: an attempt
    goes into a later call than the one before it, or into the same one behind it. Events without a family have nothing
    to do and cost no extra call: they follow at the end of their round.
    """
    groups = {group_of(attempt, injected_failures) for attempt in attempts}
    if len(groups) <= 1:
        return [(group, list(attempts)) for group in groups]
    calls: dict[tuple[int, bool, str], list[Attempt]] = {}
    last: dict[Hashable, tuple[int, str]] = {}
    for attempt in attempts:
        group = group_of(attempt, injected_failures)
        key = (attempt.event.user_id, attempt.ordering_key)
        round_number, before = last.get(key, (0, group))
        if group and (attempt.ordering_key or group != INJECTED_FAILURE):
            if before and before != group:
                round_number += 1
            last[key] = (round_number, group)
        calls.setdefault((round_number, not group, group), []).append(attempt)
    return [(group, calls[place]) for place in sorted(calls) for group in [place[2]]]
