"""How a batch's events are dealt to their handlers: in as few calls as the order of each user allows. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from processing.domain.envelope import Event
from processing.domain.outcomes import Attempt

INJECTED_FAILURE = "payload.fail"  # the group of events that are to fail; no family can have this name


def group_of(event: Event, drills: bool) -> str:
    return INJECTED_FAILURE if drills and event.fail else event.family


def plan_calls(runs: Sequence[Attempt], *, drills: bool) -> list[tuple[str, list[Attempt]]]:
    """The handler calls that a batch needs, as (group, runs), in order.

    Two runs of one chain, or two of one user outside of any, never swap, not even across families: a run goes into a
    later call than the one before it, or into the same one behind it. Events without a family have nothing to do and
    cost no extra call: they follow at the end of their round.
    """
    groups = {group_of(run.event, drills) for run in runs}
    if len(groups) <= 1:
        return [(group, list(runs)) for group in groups]
    calls: dict[tuple[int, bool, str], list[Attempt]] = {}
    last: dict[Hashable, tuple[int, str]] = {}
    for run in runs:
        group = group_of(run.event, drills)
        chain = (run.event.user_id, run.chain)
        round_number, before = last.get(chain, (0, group))
        if group and (run.chain or group != INJECTED_FAILURE):
            if before and before != group:
                round_number += 1
            last[chain] = (round_number, group)
        calls.setdefault((round_number, not group, group), []).append(run)
    return [(group, calls[key]) for key in sorted(calls) for group in [key[2]]]
