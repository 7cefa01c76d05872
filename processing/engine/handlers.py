"""Run handlers over a batch, inside the transaction that records it, and say what became of each event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import cached_property

from django.conf import settings
from django.db import transaction

from processing.domain.call_order import INJECTED_FAILURE, plan_calls
from processing.domain.families import families, get_family
from processing.domain.outcomes import Attempt, Outcome
from processing.domain.retry import RetryPolicy
from processing.domain.statuses import Status
from processing.domain.texts import describe_error
from processing.domain.validate import decoded
from processing.postgres.errors import TransientError, connection_is_lost, is_missing_object, is_transient


class InjectedFailureError(Exception):
    """The sender asked for it."""


def retry_policy() -> RetryPolicy:
    return RetryPolicy(settings.RETRY_MAX_RETRIES, settings.RETRY_BACKOFF_MS, settings.RETRY_BACKOFF_MAX_MS)


def run_handlers(runs: Sequence[Attempt]) -> list[Outcome]:
    """Run each event's handler, in order; each call has a savepoint of its own, so a failure undoes that call alone.

    What families lock over several calls is locked before that, so that all transactions do it in one order.

    A call that fails is run again in halves until the guilty event is found. A guilty event holds up the
    later ones of its chain, of whatever family, unless its tries are used up. Raises what `is_unfit` says is nobody's
    failure; then the whole transaction is to run again.
    """
    batch = _Batch(runs, retry_policy())
    calls = plan_calls(runs, drills=settings.FAULT_INJECTION)
    _lock(calls)
    for group, members in calls:
        batch.call(group, members)
    return batch.outcomes


def _lock(calls: Sequence[tuple[str, Sequence[Attempt]]]) -> None:
    """For families whose handler is called more than once; a single call locks in its own order."""
    numbers = Counter(group for group, _ in calls)
    for family in sorted(families(), key=lambda family: family.name):
        if family.locks and numbers[family.name] > 1:
            family.locks([run.event for group, runs in calls if group == family.name for run in runs])


class _Batch:
    def __init__(self, runs: Sequence[Attempt], policy: RetryPolicy) -> None:
        self.runs = runs
        self.policy = policy
        self.outcomes: list[Outcome] = []
        self.blocked: dict[Hashable, int] = {}  # chains that wait for a retry, and from which place in `runs` on

    @cached_property
    def places(self) -> dict[str, int]:
        return {run.event.id: place for place, run in enumerate(self.runs)}

    def call(self, group: str, runs: Sequence[Attempt]) -> None:
        runs = self._unblocked(runs)
        if group == INJECTED_FAILURE:
            for run in runs:
                # one by one: a drill may block the lane for the next
                for free in self._unblocked([run]):
                    self._failed(free, InjectedFailureError("payload.fail asked for a failure"), drill=True)
        elif not group:
            self._processed(runs)
        elif runs:
            self._call_handler(group, runs)

    def _call_handler(self, family: str, runs: Sequence[Attempt], *, again: bool = False) -> None:
        try:
            with transaction.atomic():
                get_family(family).handler([decoded(run.event) for run in runs])
        except Exception as error:
            if connection_is_lost():
                raise TransientError("the connection was lost while a handler ran") from error
            if is_transient(error):
                raise
            if len(runs) == 1:
                if is_missing_object(error) and not again:
                    self._call_handler(family, runs, again=True)
                else:
                    self._failed(runs[0], error)
                return
            middle = len(runs) // 2
            self._call_handler(family, runs[:middle])
            rest = self._unblocked(runs[middle:])
            if rest:
                self._call_handler(family, rest)
        else:
            self._processed(runs)

    def _unblocked(self, runs: Sequence[Attempt]) -> Sequence[Attempt]:
        if not self.blocked:
            return runs
        free: list[Attempt] = []
        for run in runs:
            if self.places[run.event.id] > self.blocked.get(run.chain, len(self.runs)):
                self.outcomes.append(Outcome(run.event, Status.HELD, run.attempts, attempt_limit=run.limit))
            else:
                free.append(run)
        return free

    def _processed(self, runs: Sequence[Attempt]) -> None:
        self.outcomes += [Outcome(run.event, Status.PROCESSED, run.attempts + 1) for run in runs]

    def _failed(self, run: Attempt, error: Exception, *, drill: bool = False) -> None:
        attempts = run.attempts + 1
        limit = self.policy.attempt_limit(run.attempts) if run.limit is None else run.limit
        text = describe_error(error)
        if attempts >= limit:
            self.outcomes.append(Outcome(run.event, Status.FAILED, attempts, text, limit, drill=drill))
            return
        failures = max(1, attempts - (limit - self.policy.attempt_limit()))
        delay = self.policy.delay_ms(failures)
        self.outcomes.append(Outcome(run.event, Status.RETRYING, attempts, text, limit, delay, drill))
        if run.chain is not None:
            self.blocked[run.chain] = self.places[run.event.id]
