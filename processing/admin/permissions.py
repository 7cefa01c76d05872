"""Which permission each of an operator's actions needs, by the action's name."""

from __future__ import annotations

from django.http import HttpRequest

NEEDED = {
    "retry_now": "processing.retry_inboxevent",
    "replay": "processing.replay_deadletter",
    "edit": "processing.replay_deadletter",
    "discard": "processing.discard_deadletter",
    "undo_discard": "processing.discard_deadletter",
    "replay_effect": "processing.replay_deadletter",
    "discard_effect": "processing.discard_deadletter",
    "pause": "processing.pause_kind",
    "pause_type": "processing.pause_kind",
    "pause_family": "processing.pause_kind",
    "resume": "processing.pause_kind",
    "set_lane": "processing.set_lane",
    "acknowledge": "processing.acknowledge_loss",
}


def may(request: HttpRequest, action: str) -> bool:
    return bool(request.user.has_perm(NEEDED[action]))
