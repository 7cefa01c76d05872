"""The ids of topics: a topic that was deleted has none, one that was made again has another one."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import cache

from confluent_kafka import KafkaError, KafkaException, TopicCollection, Uuid
from confluent_kafka.admin import AdminClient, TopicDescription
from django.conf import settings

from processing.kafka.clients import client_config

TIMEOUT_S = 5.0
ASK_EVERY_S = 5.0  # one that was deleted is to be there again within 10 s
NONE = str(Uuid(0, 0))


def current_ids(names: Collection[str], timeout_s: float = TIMEOUT_S) -> dict[str, str]:
    """The ids that these topics have now; empty where the broker has none. For any thread.

    Raises `KafkaException`, also for a topic that is not there.
    """
    admin = _admin(os.getpid(), settings.KAFKA_CLIENT_CONFIG["bootstrap.servers"])
    asked = admin.describe_topics(TopicCollection(list(names)), request_timeout=timeout_s)
    ids = {name: str(answer.result(timeout_s * 2).topic_id) for name, answer in asked.items()}
    return {name: "" if id == NONE else id for name, id in ids.items()}


@cache
def _admin(pid: int, servers: str) -> AdminClient:
    return AdminClient(client_config())


class TopicIds:
    """The ids of these topics, as they were last told; one whose id is not known, or that the broker has none for, is
    left out. `missing`: those that were not there. For one thread.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = list(names)
        self._admin: AdminClient | None = None
        self._asked: Mapping[str, Future[TopicDescription]] = {}
        self._next_at = 0.0
        self._known: dict[str, str] = {}
        self.missing: set[str] = set()

    def ask(self) -> dict[str, str]:
        """Ask, and wait for the answer. Raises `KafkaException`, also for a topic that is not there (yet)."""
        self._begin()
        self._note()
        return dict(self._known)

    def follow(self) -> Mapping[str, str]:
        """What is known; asks again from time to time and never waits."""
        if self._asked:
            if all(answer.done() for answer in self._asked.values()):
                with suppress(KafkaException):  # the next question may be answered
                    self._note()
        elif time.monotonic() >= self._next_at:
            self._begin()
        return self._known

    def doubt(self) -> None:
        """Ask soon: the broker said something that another topic of the same name would explain."""
        self._next_at = 0.0

    def _begin(self) -> None:
        if self._admin is None:
            self._admin = AdminClient(client_config())
        self._next_at = time.monotonic() + ASK_EVERY_S
        self._asked = self._admin.describe_topics(TopicCollection(self._names), request_timeout=TIMEOUT_S)

    def _note(self) -> None:
        asked, self._asked = self._asked, {}
        failure: KafkaException | None = None
        for name, answer in asked.items():
            try:
                id = str(answer.result(TIMEOUT_S * 2).topic_id)
            except KafkaException as error:
                failure = error
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    self.missing.add(name)
                continue
            self.missing.discard(name)
            if id != NONE:
                self._known[name] = id
        if failure is not None:
            raise failure
