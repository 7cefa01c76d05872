"""Alerts to ALERT_URLS: what is wrong, once when it begins and once when it is over. Class and place, never content."""

from __future__ import annotations

import structlog
from django.conf import settings

from processing.domain.kinds import KindState
from processing.domain.process import BEHIND_S, NEEDED
from processing.domain.texts import sentence
from processing.models import FailureGroup
from processing.postgres import alerts, losses
from processing.postgres.counts import any_parked
from processing.postgres.kinds import find_kinds
from processing.postgres.pipeline_state import read_state
from processing.postgres.processes import find_processes

GROUPS = 100  # of failures, the newest, beside those that were told already; that there are more is one alert
GROUP = "group:"
TITLE = "Events"

log = structlog.get_logger(__name__)


def tell_changes() -> None:
    """What has begun or is over since the last time. What cannot be sent is tried again, by whoever comes next."""
    alerts.note_states(states())
    for each in alerts.claim_untold():
        if _send(sentence(f"{'over: ' if each.over else ''}{each.text}")):
            alerts.note_told(each)


def states() -> dict[str, str]:
    """What is wrong now, in words, by a key that stays the same while it is so."""
    return {**_processes(), **_kinds(), **_losses(), **_groups(), **_parked(), **_effects()}


def _processes() -> dict[str, str]:
    running = [each for each in find_processes() if not each.replaced]
    alive = {each.role for each in running if not each.silent}
    found = {f"none:{role}": f"no {role} is running" for role in NEEDED if role not in alive}
    found |= {
        f"silent:{each.id}": f"the {each.role} on {each.host}, process {each.pid}, is silent"
        for each in running
        if each.silent
    }
    if any(lag["seconds"] > BEHIND_S for each in running for lag in each.partitions):
        found["lag"] = f"the consumers are more than {BEHIND_S:.0f} s behind"
    return found


def _kinds() -> dict[str, str]:
    return {
        f"kind:{row.name}": f"kind {row.name} is stopped, its handler keeps failing: "
        f"{row.error_class} in {row.error_place}"
        for row in find_kinds()
        if row.state is KindState.STOPPED
    }


def _losses() -> dict[str, str]:
    return {
        f"loss:{each.topic}:{each.why}": f"messages of {each.topic} are lost ({each.why})"
        for each in losses.open_losses()
    }


def _groups() -> dict[str, str]:
    """A group that was told is over when it is resolved, not when many newer ones have come."""
    still_open = FailureGroup.objects.filter(open__gt=0)
    newest = list(still_open.order_by("-id")[: GROUPS + 1])
    told = [int(key.removeprefix(GROUP)) for key in alerts.begun(GROUP)]
    rows = {row.pk: row for row in (*newest[:GROUPS], *still_open.filter(pk__in=told))}
    found = {
        f"{GROUP}{pk}": f"dead letters of {row.kind} ({row.reason}): {row.error_class}"
        + (f" in {row.place}" if row.place else "")
        for pk, row in rows.items()
    }
    if len(newest) > GROUPS:
        found["groups"] = f"more than {GROUPS} groups of failures are open"
    return found


def _parked() -> dict[str, str]:
    told = "a lane is parked: it stands on a failed event until that is mended and replayed, or discarded"
    return {"parked": told} if any_parked() else {}


def _effects() -> dict[str, str]:
    failed = read_state().numbers.get("effects", {}).get("failed", 0)
    return {"effects": "tasks after events, or follow-ups, have failed for good: see Effects"} if failed else {}


def _send(text: str) -> bool:
    """To each address; True if all took it. Apprise is imported here: it is large, and few processes send."""
    from apprise import Apprise

    sent = bool(Apprise(settings.ALERT_URLS).notify(title=TITLE, body=text))
    if not sent:
        log.warning("an alert could not be sent to all of ALERT_URLS, it will be tried again", alert=text)
    return sent
