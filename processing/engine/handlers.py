"""Run handlers over a batch, inside the transaction that records it, and say what became of each event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property

import structlog
from django.conf import settings
from django.db import transaction

from processing.domain.call_order import INJECTED_FAILURE, plan_calls
from processing.domain.effects import Effect, any_after, collecting, effects_after
from processing.domain.envelope import Event
from processing.domain.failures import NO_FAILURE, Cause, Failure, cause_of, message_of, traceback_of
from processing.domain.families import Handler, families, get_family, parks_lane
from processing.domain.outcomes import Attempt, Outcome
from processing.domain.retry import RetryPolicy
from processing.domain.statuses import Status
from processing.domain.validate import decoded
from processing.postgres.databases import connection, no_other_database
from processing.postgres.errors import TransientError, connection_is_lost, is_missing_object, is_transient

NOTHING: Mapping[str, Sequence[Effect]] = {}

log = structlog.get_logger(__name__)


class InjectedFailureError(Exception):
    """The sender asked for the failure by `payload.fail`."""


def retry_policy() -> RetryPolicy:
    return RetryPolicy(settings.RETRY_MAX_RETRIES, settings.RETRY_BACKOFF_MS, settings.RETRY_BACKOFF_MAX_MS)


def run_handlers(attempts: Sequence[Attempt]) -> list[Outcome]:
    """Run each event's handler, in order; each call has a savepoint of its own, so a failure undoes that call alone.

    Rows of families that are called several times are locked beforehand, so that all transactions lock in one order.

    A call that fails is made again in halves until the guilty event is found. A guilty event holds up the later ones
    of its ordering key, of whatever family, unless its tries are used up and it does not park its lane. Raises
    transient errors; then the whole transaction is to run again.
    """
    batch = _Batch(attempts, retry_policy())
    calls = plan_calls(attempts, injected_failures=settings.FAULT_INJECTION)
    with no_other_database():
        _lock(calls)
        for group, members in calls:
            batch.call(group, members)
    return batch.outcomes


def _lock(calls: Sequence[tuple[str, Sequence[Attempt]]]) -> None:
    """For families whose handler is called more than once; a single call locks in its own order."""
    numbers = Counter(group for group, _ in calls)
    for family in sorted(families(), key=lambda family: family.name):
        if family.locks and numbers[family.name] > 1:
            _lock_for(family.locks, [a.event for group, attempts in calls if group == family.name for a in attempts])


def _lock_for(locks: Handler, events: Sequence[Event]) -> None:
    """One that fails is told, and stops nobody: the handlers lock by themselves, and a deadlock is made again."""
    try:
        with transaction.atomic(using=connection.alias):
            locks([decoded(event) for event in events])
    except NO_FAILURE:
        raise
    except BaseException as error:
        _raise_transient(error)
        log.warning("what handlers are to lock was not locked beforehand", exc_info=error)


def _raise_transient(error: BaseException) -> None:
    """Raise what is the database's state and no failure of the code that met it."""
    if connection_is_lost():
        raise TransientError("the connection was lost while a handler ran") from error
    if is_transient(error):
        raise error


class _Batch:
    def __init__(self, attempts: Sequence[Attempt], policy: RetryPolicy) -> None:
        self.attempts = attempts
        self.policy = policy
        self.outcomes: list[Outcome] = []
        self.blocked: dict[Hashable, int] = {}  # ordering keys that wait for a retry, and from which place on
        self.tracebacks: dict[Cause, str] = {}

    @cached_property
    def places(self) -> dict[str, int]:
        return {attempt.event.id: place for place, attempt in enumerate(self.attempts)}

    def call(self, group: str, attempts: Sequence[Attempt]) -> None:
        attempts = self._unblocked(attempts)
        if group == INJECTED_FAILURE:
            for attempt in attempts:
                # one by one: a failure may block the lane for the next
                for free in self._unblocked([attempt]):
                    self._failed(free, InjectedFailureError("payload.fail asked for a failure"), injected=True)
        elif not group:
            self._processed(attempts)
        elif attempts:
            self._call_handler(group, attempts)

    def _call_handler(self, family: str, attempts: Sequence[Attempt], *, again: bool = False) -> None:
        error = self._try(family, attempts)
        if error is None:
            return
        if len(attempts) > 1:
            middle = len(attempts) // 2
            self._call_handler(family, attempts[:middle])
            rest = self._unblocked(attempts[middle:])
            if rest:
                self._call_handler(family, rest)
        elif is_missing_object(error) and not again:
            self._call_handler(family, attempts, again=True)
        else:
            self._failed(attempts[0], error)

    def _try(self, family: str, attempts: Sequence[Attempt]) -> BaseException | None:
        """What the handler raised, if it did; no error of a half is then a consequence of that of the whole."""
        try:
            with transaction.atomic(using=connection.alias):
                events = [decoded(attempt.event) for attempt in attempts]
                with collecting(events) as run:
                    get_family(family).handler(events)
        except NO_FAILURE:
            raise
        except BaseException as error:  # noqa: BLE001 - it is the events' failure, and recorded
            _raise_transient(error)
            return error
        self._processed(attempts, run.emitted)
        return None

    def _unblocked(self, attempts: Sequence[Attempt]) -> Sequence[Attempt]:
        if not self.blocked:
            return attempts
        free: list[Attempt] = []
        for each in attempts:
            if self.places[each.event.id] > self.blocked.get(each.ordering_key, len(self.attempts)):
                self.outcomes.append(Outcome(each.event, Status.HELD, each.attempts, attempt_limit=each.limit))
            else:
                free.append(each)
        return free

    def _processed(self, attempts: Sequence[Attempt], emitted: Mapping[str, Sequence[Effect]] = NOTHING) -> None:
        done = Status.PROCESSED
        if not emitted and not any_after():
            self.outcomes += [Outcome(each.event, done, each.attempts + 1, arrival=each.arrival) for each in attempts]
            return
        for each in attempts:
            effects = [*emitted.get(each.event.id, ()), *effects_after(each.event)]
            self.outcomes.append(Outcome(each.event, done, each.attempts + 1, effects=effects, arrival=each.arrival))

    def _failed(self, attempt: Attempt, error: BaseException, *, injected: bool = False) -> None:
        ran = attempt.attempts + 1
        limit = self.policy.attempt_limit(attempt.attempts) if attempt.limit is None else attempt.limit
        used_up = ran >= limit
        status = Status.FAILED if used_up else Status.RETRYING
        parks = used_up and attempt.in_lane and parks_lane(attempt.event)
        delay = None if used_up else self.policy.delay_ms(max(1, ran - (limit - self.policy.attempt_limit())))
        failure, arrival = self._failure(error), attempt.arrival
        self.outcomes.append(
            Outcome(attempt.event, status, ran, failure, limit, delay, injected, parks, arrival=arrival)
        )
        if parks or not used_up:
            self._block(attempt)

    def _block(self, attempt: Attempt) -> None:
        if attempt.ordering_key is not None:
            self.blocked[attempt.ordering_key] = self.places[attempt.event.id]

    def _failure(self, error: BaseException) -> Failure:
        """With a traceback that all failures of one cause share: a million of them stay small."""
        cause = cause_of(error)
        if cause not in self.tracebacks:
            self.tracebacks[cause] = traceback_of(error)
        return Failure(cause, message_of(error), self.tracebacks[cause])
