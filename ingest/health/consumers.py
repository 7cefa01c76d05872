"""Do the consumers read? What the door can tell of them, from the group and its positions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Lock

from confluent_kafka import KafkaException
from django.conf import settings

from processing.domain.silence import Silence, why_deserted, why_silent
from processing.kafka.cluster import group_has_members
from processing.kafka.lag import group_positions
from processing.kafka.open_transactions import open_transactions
from processing.kafka.troubles import reason

_silence = Silence()
_lock = Lock()


def consumers() -> Sequence[str]:
    """What is wrong with the group's consumers, a line for each cause."""
    group = settings.KAFKA_CONSUMER_GROUP
    try:
        is_deserted = group_has_members(group) is False
        log = group_positions()
        with _lock:
            now = time.monotonic()
            _silence.note(log, now)
            silent = _silence.silent(now)
        if is_deserted:
            return why_deserted(group, log)
        held_up = {(each.topic, each.partition) for each in open_transactions(list(silent))} if silent else ()
        return why_silent(group, silent, held_up)
    except KafkaException as error:
        return [f"how far the consumers are is not known: {reason(error, group=group)}"]
