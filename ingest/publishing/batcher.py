"""The gate: what many request threads want, done in few steps.

Two threads per process. The first takes all requests that wait, reserves their events by one call to Redis and hands
them to Kafka; it does not wait for the acknowledgements, so the next group is reserved meanwhile. The second serves
the acknowledgements and, by one call to Redis, remembers those of all groups that are through; then the requests go on.
"""

from __future__ import annotations

import atexit
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from confluent_kafka import KafkaError, KafkaException, Message
from redis import RedisError

from ingest.parsing.candidate import Candidate
from ingest.publishing import reservations
from ingest.publishing.per_process import PerProcess
from ingest.publishing.producer import EventProducer, reason
from ingest.publishing.submission import Outcome, Status, Submission
from processing.domain.log_positions import Place

log = structlog.get_logger(__name__)

GROUP_MAX_EVENTS = 2_000  # one call to Redis: about 10 ms of its time
GATHER_S = 0.003  # so long a busy gate lets single events gather: they share a call to Redis
GATHER_MAX_EVENTS = 50  # a bigger request has enough to share among its own
BUSY_S = 0.02  # a gate that had a request so lately is busy; a lone request goes at once
POLL_S = 0.1
SAFETY_S = 30.0  # every step has a timeout of its own; this one only says that something is broken
STOP_S = 5.0

Reserved = tuple[Submission, int, Candidate]  # the int: which outcome of its submission


@dataclass(eq=False)
class Group:
    """What was published together; `left` of it has no answer from Kafka yet."""

    reserved: list[Reserved]
    left: int
    failed: dict[str, str] = field(default_factory=dict)  # event id: why
    places: dict[str, Place | None] = field(default_factory=dict)  # event id: where Kafka has put it


class Batcher:
    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Submission | None] = queue.SimpleQueue()  # None: stop
        self._producer = EventProducer()
        self._through: deque[Group] = deque()
        self._lock = threading.Lock()
        self._taken_at = 0.0
        self._stopped = False
        self._threads = [
            threading.Thread(target=work, name=f"gate {work.__name__}", daemon=True)
            for work in (self._reserve_until_stopped, self._confirm_until_stopped)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, submission: Submission) -> None:
        """Returns once every event of it has an outcome."""
        self._waiting.put(submission)
        if not submission.done.wait(SAFETY_S):
            log.error("the gate did not answer", within_s=SAFETY_S)
            submission.fail("the server could not finish in time")

    def stop(self) -> None:
        """End its threads; what is under way is finished first, if it takes no longer than STOP_S."""
        self._waiting.put(None)
        for thread in self._threads:
            thread.join(STOP_S)

    def _reserve_until_stopped(self) -> None:
        while (first := self._waiting.get()) is not None:
            submissions = self._take(first)
            try:
                self._producer.prepare()
                self._publish(submissions)
            except (RedisError, OSError) as error:
                fail_all(submissions, f"Redis: {error}")
            except KafkaException as error:
                fail_all([*submissions, *self._drain()], reason(error))  # each would wait as long for the same
            except Exception:  # a bug fails these requests, loudly; without its thread the gate would fail all to come
                log.exception("the gate failed")
                fail_all(submissions, "the server failed")

        self._stopped = True

    def _take(self, first: Submission) -> list[Submission]:
        """All that wait, up to a bound. Those that have waited too long go no further."""
        if time.monotonic() - self._taken_at < BUSY_S and len(first.candidates) < GATHER_MAX_EVENTS:
            time.sleep(GATHER_S)
        self._taken_at = time.monotonic()
        taken = [first, *self._drain(GROUP_MAX_EVENTS - len(first.candidates))]
        now = time.monotonic()
        fail_all([submission for submission in taken if submission.deadline < now], "the server was busy for too long")
        return [submission for submission in taken if submission.deadline >= now]

    def _drain(self, events: float = math.inf) -> list[Submission]:
        """What waits, without waiting for it, until it is this many events."""
        taken: list[Submission] = []
        while events > 0:
            try:
                submission = self._waiting.get_nowait()
            except queue.Empty:
                break
            if submission is None:
                self._waiting.put(None)  # for the loop to see
                break
            taken.append(submission)
            events -= len(submission.candidates)
        return taken

    def _publish(self, submissions: Sequence[Submission]) -> None:
        if not submissions:
            return
        reservations.reserve(submissions)
        reserved: list[Reserved] = []
        for submission in submissions:
            if None in submission.outcomes:
                reserved += [
                    (submission, index, event)
                    for index, event in enumerate(submission.candidates)
                    if submission.outcomes[index] is None
                ]
            else:
                submission.done.set()
        if reserved:
            self._produce(Group(reserved, len(reserved) + 1))

    def _produce(self, group: Group) -> None:
        publish, delivered = self._producer.publish, self._on_delivery(group)
        for submission, _, event in group.reserved:
            try:
                publish(event, submission.traceparent, partial(delivered, event.id))
            except (BufferError, KafkaException) as error:
                self._answered(group, event.id, reason(error))
        self._answered(group)

    def _on_delivery(self, group: Group) -> Callable[[str, KafkaError | None, Message], None]:
        lock, place, places = self._lock, self._producer.place, group.places

        def delivered(event_id: str, error: KafkaError | None, message: Message) -> None:
            if error is None:
                places[event_id] = place(message)
                with lock:
                    group.left -= 1
                    last = group.left == 0
                if last:
                    self._through.append(group)
                return
            self._producer.note(error)
            self._answered(group, event_id, f"Kafka: {error.str()}")

        return delivered

    def _answered(self, group: Group, failed_id: str = "", error: str = "") -> None:
        """One event less to wait for (the group itself counts as one, until all are handed over)."""
        with self._lock:
            if failed_id:
                group.failed[failed_id] = error
            group.left -= 1
            if group.left == 0:
                self._through.append(group)

    def _confirm_until_stopped(self) -> None:
        while not self._stopped or self._producer.is_busy() or self._through:
            try:
                self._producer.poll(POLL_S)
                groups = [self._through.popleft() for _ in range(len(self._through))]
                if groups:
                    confirm(groups)
            except Exception:  # as above; requests that wait for this answer are told so after SAFETY_S
                log.exception("the gate failed")


def confirm(groups: Sequence[Group]) -> None:
    """Remember what Kafka said of these groups, and let their requests go on."""
    error = ""
    try:
        reservations.confirm(
            (
                (submission, event, event.id not in group.failed)
                for group in groups
                for submission, _, event in group.reserved
            ),
            {id: place for group in groups for id, place in group.places.items()},
        )
    except (RedisError, OSError) as failure:
        error = f"Redis: {failure}"  # on Kafka, but not remembered here: the inbox will know it
    for group in groups:
        for submission, index, event in group.reserved:
            why = error or group.failed.get(event.id, "")
            submission.outcomes[index] = Outcome(Status.UNAVAILABLE if why else Status.ACCEPTED, event.id, why)
        for submission in {id(submission): submission for submission, _, _ in group.reserved}.values():
            submission.done.set()


def fail_all(submissions: Sequence[Submission], error: str) -> None:
    for submission in submissions:
        submission.fail(error)


def _start() -> Batcher:
    gate = Batcher()
    atexit.register(gate.stop)
    return gate


_batcher = PerProcess(_start)


def submit(submission: Submission) -> None:
    """Through this process's gate."""
    _batcher.get().submit(submission)
