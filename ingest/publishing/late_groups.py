"""Late groups: those that Kafka has not answered in time, or Redis has not been told of. A thread sees to them.

Until Kafka answers, their reservations are renewed, so that a second attempt waits for the first one's truth; what
Kafka has acknowledged is written to Redis as soon as Redis takes it. Nothing of this outlives the process: then
reservations run out, and the inbox judges.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog
from redis import RedisError

from ingest.publishing import reservations
from ingest.publishing.group import Group

log = structlog.get_logger(__name__)

LATE_S = 3.0  # before any client's deadline, and longer than a busy broker takes
LOOK_EVERY_S = 0.5
RENEW_EVERY_S = 3.0  # a reservation outlives two failed attempts
MOST_EVENTS = 100_000  # not known to Redis: bounds the memory; the inbox knows all of them


class LateGroups:
    """Groups are handed over with `take`, or when they have not been answered for LATE_S."""

    def __init__(self) -> None:
        self.redis_is_away = False  # others need not ask it too
        self.answered = 0  # groups that Kafka has answered
        self._lock = threading.Lock()
        self._under_way: dict[Group, None] = {}  # the oldest first
        self._late: list[Group] = []
        self._wake = threading.Event()
        self._stopped = False

    def watch(self, group: Group) -> None:
        """From before its first message until it is `through`."""
        with self._lock:
            self._under_way[group] = None

    def through(self, group: Group) -> bool:
        """Kafka has answered all of it: whether it is late, and stays here."""
        with self._lock:
            self.answered += 1
            self._under_way.pop(group, None)
            if group.late:
                self._wake.set()
            return group.late

    def unanswered_since(self) -> float | None:
        """When the oldest group was made that Kafka has not answered; None when there is none."""
        with self._lock:
            waiting = [group.since for group in self._late if group.left]
            waiting += [group.since for group in list(self._under_way)[:1]]
        return min(waiting, default=None)

    def unanswered(self) -> int:
        """How many groups Kafka has not answered in time."""
        with self._lock:
            return sum(group.left > 0 for group in self._late)

    def take(self, groups: Sequence[Group]) -> None:
        """Kafka has answered these, but Redis could not be told."""
        with self._lock:
            for group in groups:
                group.late = True
            self._late += groups
        self._wake.set()

    def stop(self) -> None:
        """End the thread; what Redis has not been told of is tried once more."""
        self._stopped = True
        self._wake.set()

    def look_until_stopped(self) -> None:
        while not self._stopped:
            self._wake.wait(LOOK_EVERY_S)
            self._wake.clear()
            try:
                self._look()
            except Exception:  # a bug must not end the only thread that does this
                log.exception("the late groups could not be seen to")

    def _look(self) -> None:
        groups = self._late_by_now(time.monotonic())
        for group in groups:
            if not self.redis_is_away or group is groups[0]:  # one attempt tells whether it is back
                self._tell_redis(group)
            group.let_go()
        with self._lock:
            self._late = [group for group in self._late if not group.is_over()]
        self._forget_what_is_too_much()

    def _late_by_now(self, now: float) -> list[Group]:
        with self._lock:
            for group in list(self._under_way):
                if now - group.since < LATE_S:
                    break
                del self._under_way[group]
                group.late = True
                self._late.append(group)
            return list(self._late)

    def _tell_redis(self, group: Group) -> None:
        """What Kafka has answered is confirmed, what is reserved for the rest renewed."""
        settled = group.newly_settled()
        try:
            if settled:
                reservations.confirm((each for _, each in settled), group.places, renewed=True)
                group.remembered.update(place for place, _ in settled)
            now = time.monotonic()
            if not group.is_over() and now - group.renewed_at >= RENEW_EVERY_S:
                reservations.renew(group.unknown())
                group.renewed_at = now
        except (RedisError, OSError) as error:
            if not self.redis_is_away:
                log.warning("Redis does not take what Kafka has acknowledged; it will be tried again", error=str(error))
            self.redis_is_away = True
        else:
            self.redis_is_away = False

    def _forget_what_is_too_much(self) -> None:
        with self._lock:
            answered = [group for group in self._late if group.left == 0]
            events = sum(len(group.reserved) for group in answered)
            forgotten: set[Group] = set()
            for group in answered:
                if events <= MOST_EVENTS:
                    break
                events -= len(group.reserved)
                forgotten.add(group)
            self._late = [group for group in self._late if group not in forgotten]
        if forgotten:
            log.warning(
                "Redis was away for too long: the door forgets ids, the inbox knows them", groups=len(forgotten)
            )
