"""The gate: what many requests want, done in few steps.

Four threads per process. The first takes all requests that wait, reserves their events by one call to Redis and hands
them to Kafka; it does not wait for the acknowledgements, so the next group is reserved meanwhile. The second serves
the acknowledgements and, by one call to Redis, remembers those of all groups that are through; then the requests go on.
The third sees to what takes longer than a client waits, see `late_groups`; the fourth asks why Kafka is silent.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.util import Finalize

import structlog
from confluent_kafka import KafkaError, KafkaException, Message
from redis import RedisError

from ingest.publishing import reservations
from ingest.publishing.group import Group, Reserved
from ingest.publishing.late_groups import LateGroups
from ingest.publishing.per_process import PerProcess
from ingest.publishing.producer import EventProducer
from ingest.publishing.silence import Silence
from ingest.publishing.submission import BUSY, LATE, Outcome, Status, Submission, Truth, unavailable
from processing.kafka.troubles import cause, reason

log = structlog.get_logger(__name__)

GROUP_MAX_EVENTS = 2_000  # one call to Redis: about 10 ms of its time
GATHER_S = 0.003  # so long a busy gate lets single events gather: they share calls to Redis and Kafka
GATHER_MAX_EVENTS = 50  # a bigger request has enough to share among its own
BUSY_S = 0.02  # a gate that had a request so lately is busy; a lone request goes at once
POLL_S = 0.1
LOOK_S = 0.5  # so often a request that waits sees whether the process is to end
PREPARE_EVERY_S = 0.1
UNANSWERED_S = 5.0  # as long as a client waits
ANSWER_WITHIN_S = 3.0  # of SIGTERM: then requests are answered with what is known
FLUSH_WITHIN_S = 6.5  # of SIGTERM: so long Kafka is given for what it has not acknowledged


class Batcher:
    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Submission | None] = queue.SimpleQueue()  # None: stop
        self._producer = EventProducer()
        self._late = LateGroups()
        self._silence = Silence(self._producer, self._late)
        self._through: deque[Group] = deque()
        self._lock = threading.Lock()
        self._taken_at = 0.0
        self._why_waiting = ""  # what Kafka said when it was asked in vain
        self._answer_by = self._flush_by = math.inf  # time.monotonic(), once the process is to end
        self._stopped = False
        self._threads = [
            threading.Thread(target=work, name=f"gate {work.__name__}", daemon=True)
            for work in (
                self._reserve_until_stopped,
                self._confirm_until_stopped,
                self._late.look_until_stopped,
                self._silence.look_until_stopped,
            )
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, submission: Submission) -> list[Outcome]:
        """The outcome of each event of it, at its deadline at the latest; the thread waits."""
        done = threading.Event()
        self.put(submission, done.set)
        while (left := self.deadline(submission.deadline) - time.monotonic()) > 0:
            if done.wait(min(left, LOOK_S)):
                break
        return self.outcomes(submission)

    def put(self, submission: Submission, on_done: Callable[[], object]) -> None:
        """From now on whoever has put it waits, up to the `deadline`, and asks for the `outcomes`."""
        submission.on_done = on_done
        self._waiting.put(submission)

    def outcomes(self, submission: Submission) -> list[Outcome]:
        """Of each event of it, by now: nobody waits for it any more."""
        if submission.withdraw():
            return submission.outcomes_by_now(self._why_waiting or BUSY, Truth.NONE)
        return submission.outcomes_by_now(f"{LATE} ({why})" if (why := cause()) else LATE, Truth.UNKNOWN)

    def deadline(self, of_client: float) -> float:
        """Until when a client may be let wait (time.monotonic()): less than it asks for once the process is to end."""
        return min(of_client, self._answer_by)

    def unanswered_since(self) -> float | None:
        """Since when (time.monotonic()) Kafka owes an answer; None when it owes none."""
        return self._late.unanswered_since()

    def leave(self) -> None:
        """The process is to end: requests are answered soon, with what is known then."""
        if self._answer_by == math.inf:
            now = time.monotonic()
            self._answer_by, self._flush_by = now + ANSWER_WITHIN_S, now + FLUSH_WITHIN_S

    def stop(self) -> None:
        """End its threads; what is under way is finished first, as far as time allows."""
        self.leave()
        self._waiting.put(None)
        for thread in self._threads[:2]:
            thread.join(max(0.0, self._flush_by - time.monotonic()) + POLL_S)
        self._silence.stop()
        self._late.stop()
        self._threads[2].join(POLL_S)
        if unanswered := self._producer.waiting():
            log.warning("ended before Kafka acknowledged everything; the answers said so", events=unanswered)

    def _reserve_until_stopped(self) -> None:
        while (first := self._waiting.get()) is not None:
            submissions = self._take(first)
            try:
                if self._is_prepared(submissions):
                    self._publish(submissions)
            except (RedisError, OSError) as error:
                fail_all(submissions, f"Redis: {error}")
            except Exception:  # a bug fails these requests, loudly; without its thread the gate would fail all to come
                log.exception("the gate failed")
                fail_all(submissions, "the server failed")

        self._stopped = True

    def _is_prepared(self, submissions: Sequence[Submission]) -> bool:
        """Whether Kafka can be written to, before all of these have gone."""
        while not all(submission.withdrawn for submission in submissions):
            try:
                self._producer.prepare()
            except KafkaException as error:
                self._note_why_waiting(reason(error))
                time.sleep(PREPARE_EVERY_S)
            else:
                self._why_waiting = ""
                return True
        return False

    def _note_why_waiting(self, why: str) -> None:
        if why != self._why_waiting:
            log.warning("Kafka cannot be written to; requests wait, and are told so", why=why)
        self._why_waiting = why

    def _take(self, first: Submission) -> list[Submission]:
        """All that wait, up to a bound, without those that have gone."""
        if time.monotonic() - self._taken_at < BUSY_S and len(first.candidates) < GATHER_MAX_EVENTS:
            time.sleep(GATHER_S)
        self._taken_at = time.monotonic()
        taken = [first, *self._drain(GROUP_MAX_EVENTS - len(first.candidates))]
        return [submission for submission in taken if not submission.withdrawn]

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
                submission.on_done()
        if reserved:
            for submission in submissions:
                submission.claim()
            self._produce(Group(reserved, len(reserved) + 1))

    def _produce(self, group: Group) -> None:
        self._late.watch(group)
        publish = self._producer.publish
        handed = 0
        try:
            for submission, index, event in group.reserved:
                handed += 1
                if submission.withdrawn:  # while it was being reserved
                    self._refused(group, submission, index, BUSY)
                    continue
                try:
                    publish(event, submission.traceparent, partial(self._delivered, group, submission, index))
                except (BufferError, KafkaException) as error:
                    self._refused(group, submission, index, reason(error))
        finally:  # whatever happens, each has an answer
            for submission, index, _ in group.reserved[handed:]:
                self._refused(group, submission, index, "the server failed")
            self._answered(group)

    def _refused(self, group: Group, submission: Submission, index: int, why: str) -> None:
        submission.outcomes[index] = unavailable(submission.candidates[index], why, Truth.NONE)
        self._answered(group)

    def _delivered(
        self, group: Group, submission: Submission, index: int, error: KafkaError | None, message: Message
    ) -> None:
        event = submission.candidates[index]
        if error is None:
            group.places[event.id] = self._producer.place(message)
            submission.outcomes[index] = Outcome(Status.ACCEPTED, event.id)
        else:  # also of what was purged: it may have been sent before
            self._producer.note(error)
            submission.outcomes[index] = unavailable(event, self._producer.why(error), Truth.UNKNOWN)
        self._answered(group)

    def _answered(self, group: Group) -> None:
        """One event less to wait for (the group itself counts as one, until all are handed over)."""
        with self._lock:
            group.left -= 1
            last = group.left == 0
        if last and not self._late.through(group):
            self._through.append(group)

    def _confirm_until_stopped(self) -> None:
        while not self._stopped or self._producer.waiting() or self._through:
            try:
                self._producer.poll(POLL_S)
                groups = [self._through.popleft() for _ in range(len(self._through))]
                if groups:
                    self._confirm(groups)
            except Exception:  # as above; requests that wait for this are answered at their deadline
                log.exception("the gate failed")
            if time.monotonic() > self._flush_by:
                return

    def _confirm(self, groups: Sequence[Group]) -> None:
        """Remember what Kafka said of these groups, and let their requests go on, whatever Redis says."""
        if self._late.redis_is_away:
            self._late.take(groups)
        else:
            try:
                reservations.confirm(
                    (each for group in groups for each in group.settled()),
                    {id: place for group in groups for id, place in group.places.items()},
                )
            except (RedisError, OSError):
                self._late.take(groups)
        for group in groups:
            group.let_go()


def fail_all(submissions: Sequence[Submission], error: str) -> None:
    for submission in submissions:
        submission.fail(error)


def _start() -> Batcher:
    made = Batcher()
    Finalize(None, made.stop, exitpriority=1)  # `atexit` is not called in a server's forked workers
    return made


_batcher = PerProcess(_start)


def gate() -> Batcher:
    """This process's own."""
    return _batcher.get()


def unanswered() -> list[str]:
    """What Kafka has not acknowledged for longer than a client waits, in a line; empty when there is nothing."""
    made = _batcher.made()
    since = None if made is None else made.unanswered_since()
    waited_s = 0.0 if since is None else time.monotonic() - since
    return [f"Kafka has not acknowledged events for {waited_s:.0f} s"] if waited_s >= UNANSWERED_S else []


def leave() -> None:
    """The process was asked to end."""
    made = _batcher.made()
    if made is not None:
        made.leave()
