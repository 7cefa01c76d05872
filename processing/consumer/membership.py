"""Has the group taken this consumer? A cluster that lacks its protocol, or refuses it, may say nothing at all."""

from __future__ import annotations

import time

import structlog
from confluent_kafka import KafkaError
from django.conf import settings

from processing.kafka.cluster import group_has_members
from processing.kafka.troubles import KafkaTrouble, reason

JOINS_WITHIN_S = 8.0  # longer than a first rebalance takes, unless the group waits for a session to end
POLLS_WITHIN_S = 30.0  # longer than partitions take to be given back

log = structlog.get_logger(__name__)


class Membership:
    """The thread that polls writes it, health reads it. Times are time.monotonic()."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._waits_since: float | None = None  # for partitions; None before it has subscribed
        self._polled_at = 0.0
        self._is_assigned = False
        self._is_told = False
        self._refusal = ""

    def subscribed(self) -> None:
        self._waits_since = self._polled_at = time.monotonic()

    def assigned(self) -> None:
        """The group gave this consumer its partitions, be they none."""
        self._is_assigned, self._is_told, self._refusal = True, False, ""

    def revoked(self) -> None:
        self._is_assigned, self._waits_since = False, time.monotonic()

    def refused(self, error: KafkaError, topic: str | None) -> None:
        """The cluster's ACLs do not let it read; polling goes on, since they may be changed."""
        concerned = {"topic": topic} if topic else {"group": self._group}
        refusal = reason(error, **concerned)
        if refusal != self._refusal:
            log.warning("Kafka refuses this consumer, polling on", error=refusal)
        self._refusal = refusal

    def polled(self) -> None:
        """A round of the poll has ended. Tells once when the group has not taken this consumer after a while."""
        self._polled_at = time.monotonic()
        if self._is_late() and not self._is_told:
            self._is_told = True
            if why := self._why_not_taken():
                log.error("the group has not taken this consumer", why=why)

    def problems(self) -> list[str]:
        """A line for each; asks the cluster only while it waits for partitions, 2 s at most."""
        if self._waits_since is None:
            return ["it has not joined its group yet"]
        silent_s = time.monotonic() - self._polled_at
        if silent_s > POLLS_WITHIN_S:
            return [f"it has not polled for {silent_s:.0f} s"]
        why = self._why_not_taken() if self._is_late() else ""
        return [why] if why else []

    def _is_late(self) -> bool:
        since = self._waits_since
        patience_s = joins_within_s(settings.KAFKA_GROUP_PROTOCOL, settings.KAFKA_SESSION_TIMEOUT_MS / 1000)
        return not self._is_assigned and since is not None and time.monotonic() - since > patience_s

    def _why_not_taken(self) -> str:
        """Empty when the group has members: the new protocol does not call a consumer that it has no partition for."""
        try:
            if group_has_members(self._group):
                return ""
        except KafkaTrouble as error:
            return str(error)
        return self._refusal or not_taken(self._group, settings.KAFKA_GROUP_PROTOCOL)


def joins_within_s(protocol: str, session_s: float) -> float:
    """How long a group may take to give a consumer its partitions."""
    return JOINS_WITHIN_S + (session_s if protocol == "classic" else 0.0)


def not_taken(group: str, protocol: str) -> str:
    hint = ": does the cluster have it (KIP-848)? If not, set classic" if protocol == "consumer" else ""
    return f"group {group} has no members, this consumer is in none; KAFKA_GROUP_PROTOCOL={protocol}{hint}"
