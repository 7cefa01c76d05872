"""Which kinds keep failing: a pure decision over the last handler runs, kept per family and per type.

A type is free text: only declared types and the most frequent others have a window of their own, the rest share one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from processing.domain.failures import Cause, Failure
from processing.domain.kinds import type_kind
from processing.domain.outcomes import Outcome
from processing.domain.statuses import Status

OTHER = "other"  # the label of types that are neither declared nor frequent
FREQUENT = 100  # types that are known beside the declared ones
COUNTED = 1_000  # types whose frequency is counted at most

Kind = tuple[str, str]  # family and type
DeclaredTypes = Callable[[str], Collection[str]]


@dataclass(frozen=True)
class Limits:
    """`in_a_row` and `percent` (of `size` runs); 0 turns a limit off."""

    in_a_row: int
    percent: int
    size: int


@dataclass(frozen=True)
class Failing:
    """A kind that is to be stopped, why, and what its last failure was."""

    kind: str
    reason: str
    cause: Cause


@dataclass
class _Window:
    """The last runs of a family or of one of its types, as spells of one type that failed or did not."""

    limits: Limits
    spells: deque[tuple[str, bool, int]] = field(default_factory=deque)  # type, failed, how many
    runs: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    in_a_row: Counter[str] = field(default_factory=Counter)
    total: int = 0  # failures in a row

    def add(self, event_type: str, failed: bool, count: int = 1) -> None:
        if failed:
            self.in_a_row[event_type] += count
            self.failures[event_type] += count
            self.total += count
        elif self.total:
            self.in_a_row.clear()
            self.total = 0
        last = self.spells[-1] if self.spells else None
        if last is not None and last[:2] == (event_type, failed):
            self.spells[-1] = (event_type, failed, last[2] + count)
        else:
            self.spells.append((event_type, failed, count))
        self.runs += count
        while self.runs > self.limits.size and self.spells:
            self._drop(self.runs - self.limits.size)

    def _drop(self, count: int) -> None:
        event_type, failed, number = self.spells.popleft()
        gone = min(count, number)
        if gone < number:
            self.spells.appendleft((event_type, failed, number - gone))
        self.runs -= gone
        if failed:
            self.failures[event_type] -= gone
            if not self.failures[event_type]:
                del self.failures[event_type]  # types come and go without end

    def why(self) -> tuple[str, Counter[str]] | None:
        """Why the kind is to be stopped, if it is, and the failures that say so, by type."""
        limits = self.limits
        if 0 < limits.in_a_row <= self.total:
            return (
                f"{self.total} handler runs failed in a row (limit {limits.in_a_row}, FAILURE_LIMIT_IN_A_ROW)",
                self.in_a_row,
            )
        failures = self.failures.total()
        if limits.percent and limits.size and failures * 100 >= limits.percent * limits.size:
            return (
                f"{failures} of the last {self.runs} handler runs failed (limit {limits.percent} % of "
                f"{limits.size}, FAILURE_LIMIT_PERCENT and FAILURE_WINDOW)",
                self.failures,
            )
        return None

    def forget(self, event_type: str) -> None:
        """Forget a type's runs: it is stopped, and says nothing of the others."""
        self.spells = deque(spell for spell in self.spells if spell[0] != event_type)
        self.runs = sum(count for _, _, count in self.spells)
        self.total -= self.in_a_row.pop(event_type, 0)
        self.failures.pop(event_type, None)


@dataclass
class KnownTypes:
    """Which types are told apart: those that are declared, and the most frequent others. Bounded."""

    declared: DeclaredTypes
    counts: Counter[Kind] = field(default_factory=Counter)
    frequent: frozenset[Kind] = frozenset()

    def count(self, kinds: Counter[Kind]) -> None:
        self.counts.update(kinds)
        if len(self.counts) > COUNTED:  # a type that came late can still become frequent: the old ones' counts halve
            self.counts = Counter({kind: n // 2 for kind, n in self.counts.most_common(COUNTED // 2) if n > 1})
        few = len(self.counts) <= FREQUENT
        self.frequent = frozenset(self.counts if few else dict(self.counts.most_common(FREQUENT)))

    def label(self, family: str, event_type: str) -> str:
        known = event_type in self.declared(family) or (family, event_type) in self.frequent
        return event_type if known else OTHER


@dataclass
class FailingKinds:
    """The last handler runs of this process. Injected failures and events without a family do not count."""

    limits: Limits
    declared: DeclaredTypes = lambda family: ()
    known: KnownTypes = field(init=False)
    families: dict[Kind, _Window] = field(default_factory=dict)  # by family and no type
    types: dict[Kind, _Window] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known = KnownTypes(self.declared)

    def observe(self, outcomes: Sequence[Outcome]) -> list[Failing]:
        """Count these; returns the kinds that are to be stopped."""
        runs = Counter((o.event.family, o.event.type) for o in outcomes)
        self.known.count(Counter({kind: count for kind, count in runs.items() if kind[0]}))
        if len(self.types) > FREQUENT:
            self.types = {kind: window for kind, window in self.types.items() if self._is_known(kind)}
        if any(outcome.failure for outcome in outcomes):
            return self._observe_each(outcomes)
        for (family, event_type), count in runs.items():
            if family:
                label = self.known.label(family, event_type)
                self._window(self.types, family, label).add(label, False, count)
                self._window(self.families, family).add(label, False, count)
        return []

    def forget(self) -> None:
        self.families.clear()
        self.types.clear()

    def _is_known(self, kind: Kind) -> bool:
        return kind[1] == OTHER or self.known.label(*kind) == kind[1]

    def _window(self, windows: dict[Kind, _Window], family: str, label: str = "") -> _Window:
        return windows.setdefault((family, label), _Window(self.limits))

    def _observe_each(self, outcomes: Iterable[Outcome]) -> list[Failing]:
        found: dict[str, Failing] = {}
        for outcome in outcomes:
            event = outcome.event
            if not event.family or outcome.injected or outcome.status is Status.HELD:
                continue
            failed = outcome.failure is not None
            label = self.known.label(event.family, event.type)
            own = self._window(self.types, event.family, label)
            family = self._window(self.families, event.family)
            own.add(label, failed)
            family.add(label, failed)
            failing = self._judge(event.family, label, own, family, outcome.failure) if outcome.failure else None
            if failing is not None:
                found.setdefault(failing.kind, failing)
        return list(found.values())

    def _judge(self, family: str, label: str, own: _Window, whole: _Window, last: Failure) -> Failing | None:
        """A type that fails is stopped alone; a family whose failures are of many types is stopped whole.

        Types that share a window are no kind: they stop their family only if it fails, all its types taken together.
        """
        why = own.why() if label != OTHER else None
        guilty = label
        if why is None:
            why = whole.why()
            if why is None:
                return None
            (guilty, most), total = why[1].most_common(1)[0], why[1].total()
            if 2 * most <= total:
                guilty = OTHER
        kind = family if guilty == OTHER else type_kind(family, guilty)
        if guilty == OTHER:
            self.families.pop((family, ""), None)
            self.types = {key: window for key, window in self.types.items() if key[0] != family}
        else:
            whole.forget(guilty)
            self.types.pop((family, guilty), None)
        return Failing(kind, why[0], last.cause)
