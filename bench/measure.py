"""One measurement: how long it took, and what each process used for it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import quantiles

from bench.accounting import Usage, reset_peaks, usages

LOAD = "load"  # what makes the load and waits for its end, in the tables


@dataclass(frozen=True)
class Measurement:
    """`cpu_s` and `peak_mb` by process; a peak is that of its largest single process."""

    events: int
    seconds: float
    cpu_s: Mapping[str, float]
    peak_mb: Mapping[str, float]
    answer_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds

    @property
    def cpu_us(self) -> dict[str, float]:
        """µs of CPU per event, by process."""
        return {name: used / self.events * 1e6 for name, used in self.cpu_s.items()}

    @property
    def all_cpu_us(self) -> float:
        """µs of CPU per event of all processes, without the load's own."""
        return sum(used for name, used in self.cpu_us.items() if name != LOAD)


class Meter:
    """Starts when it is made; these processes are counted."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        reset_peaks(self._pids.values())
        self._before = usages(self._pids)
        self._own = time.process_time()
        self._started = time.perf_counter()

    def stop(
        self,
        events: int,
        *,
        load_s: float = 0.0,
        ended: Mapping[str, Usage] | None = None,
        answers_s: list[float] | None = None,
    ) -> Measurement:
        """`load_s`: CPU of senders; `ended`: processes that began and ended meanwhile; `answers_s`: time of each."""
        seconds = time.perf_counter() - self._started
        own = time.process_time() - self._own
        after = {**usages(self._pids), **(ended or {})}
        before = {name: used.cpu_s for name, used in self._before.items()}
        cpu: dict[str, float] = defaultdict(float)
        peaks: dict[str, float] = defaultdict(float)
        for name, used in after.items():
            kind = name.split()[0]  # "consumer 2" is one of the consumers
            cpu[kind] += used.cpu_s - before.get(name, 0.0)
            peaks[kind] = max(peaks[kind], used.peak_mb)
        return Measurement(events, seconds, {**cpu, LOAD: own + load_s}, dict(peaks), _percentiles(answers_s or []))


def _percentiles(answers_s: list[float]) -> dict[str, float]:
    """In ms."""
    if len(answers_s) < 2:
        return {}
    cuts = quantiles(answers_s, n=100)
    return {"p50": cuts[49] * 1000, "p99": cuts[98] * 1000}
