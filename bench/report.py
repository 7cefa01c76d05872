"""What was measured, as tables in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import nan
from statistics import median

from bench.figures import markdown, number
from bench.measure import LOAD, Measurement
from bench.parts import PARTS
from bench.rounds import Run, Spread, spread

FEW = 3  # rounds of which a spread says nothing
PEAK_MB = 300  # what the project promises of each process of its own
PROCESSES = ("web", "consumer", "worker", "beat", "process_events")
SERVICES = ("Postgres", "Redis", "Kafka")


def summary(runs: Sequence[Run]) -> str:
    """One revision: events per second beside CPU time, and whether the promise is met."""
    rows = []
    for part in _parts(runs):
        rate, cpu = _rate(runs, part), _cpu(runs, part)
        rows.append([PARTS[part].title, _show(rate), _show(cpu), *_met(rate.median, PARTS[part].target)])
    return markdown(["min / **median** / max", "events/s", "CPU, µs/event", "target", ""], rows)


def comparison(runs: Sequence[Run], before: str, here: str) -> str:
    """Two revisions: the ratio of their medians, more than 1 being faster, or more CPU."""
    rows = []
    for part in _parts(runs):
        old, new = (_of(runs, part, revision) for revision in (before, here))
        if old and new:
            rates = _rate(old, part), _rate(new, part)
            cpus = _cpu(old, part), _cpu(new, part)
            rows.append([PARTS[part].title, *_pair(*rates, len(old), "faster", "SLOWER")])
            rows.append(["  its CPU, µs/event", *_pair(*cpus, len(old), "MORE", "less")])
    return markdown(["events/s: min / **median** / max", before, here, "ratio", ""], rows)


def beside(runs: Sequence[Run], ours: str) -> str:
    """Ours and others' ways: how many times as fast ours is, and how much of their CPU it uses, by the medians."""
    rows = []
    for part in _parts(runs):
        of = {label: _of(runs, part, label) for label in dict.fromkeys(run.revision for run in runs)}
        own_rate, own_cpu = (figure(of[ours], part).median if of[ours] else nan for figure in (_rate, _cpu))
        for label, some in of.items():
            if some:
                rate, cpu = _rate(some, part), _cpu(some, part)
                ratios = ["", ""] if label == ours else [f"{own_rate / rate.median:.2f}", f"{own_cpu / cpu.median:.2f}"]
                rows.append([PARTS[part].title, label, _show(rate), ratios[0], _show(cpu), ratios[1]])
    head = ["min / **median** / max", "", "events/s", "ours is so many times as fast"]
    return markdown([*head, "CPU, µs/event", "ours takes so much of it"], rows)


def cpu_by_process(runs: Sequence[Run]) -> str:
    """Medians, µs per event."""
    head = ["CPU, µs/event", "revision", "all but the load", *PROCESSES, *SERVICES, LOAD]
    names = [*PROCESSES, *SERVICES, LOAD]
    rows = [
        [title, revision, number(median(run.measured.all_cpu_us for run in of)), *_medians(of, names, _cpu_us)]
        for title, revision, of in _groups(runs)
    ]
    return markdown(head, rows)


def peak_by_process(runs: Sequence[Run]) -> str:
    """The most of all rounds, MB."""
    names = [*PROCESSES, *SERVICES]
    rows = []
    for title, revision, of in _groups(runs):
        peaks = {name: max(run.measured.peak_mb.get(name, 0.0) for run in of) for name in names}
        high = any(peaks[name] > PEAK_MB for name in PROCESSES)
        rows.append([title, revision, *(number(peaks[name]) if peaks[name] else "" for name in names), _missed(high)])
    return markdown(["peak memory of the largest process, MB", "revision", *names, f"≤ {PEAK_MB}"], rows)


def raw(runs: Sequence[Run]) -> str:
    head = ["round", "measured", "revision", "events", "seconds", "events/s", "CPU, µs/event", "answer p50, ms", "p99"]
    rows = []
    for run in runs:
        of = run.measured
        figures = [f"{of.seconds:.2f}", number(of.rate), number(of.all_cpu_us)]
        answers = [number(of.answer_ms[name]) if of.answer_ms else "" for name in ("p50", "p99")]
        rows.append([str(run.round), PARTS[run.part].title, run.revision, f"{of.events:,}", *figures, *answers])
    return markdown(head, rows)


def _parts(runs: Iterable[Run]) -> list[str]:
    return list(dict.fromkeys(run.part for run in runs))


def _of(runs: Iterable[Run], part: str, revision: str) -> list[Run]:
    return [run for run in runs if run.part == part and run.revision == revision]


def _groups(runs: Sequence[Run]) -> Iterable[tuple[str, str, list[Run]]]:
    """Title, revision and runs; what is compared stands together."""
    revisions = sorted({run.revision for run in runs})
    for part in _parts(runs):
        for revision in revisions:
            if of := _of(runs, part, revision):
                yield PARTS[part].title, revision, of


def _rate(runs: Iterable[Run], part: str) -> Spread:
    return spread([run.measured.rate for run in runs if run.part == part])


def _cpu(runs: Iterable[Run], part: str) -> Spread:
    return spread([run.measured.all_cpu_us for run in runs if run.part == part])


def _cpu_us(measured: Measurement) -> Mapping[str, float]:
    return measured.cpu_us


def _medians(
    runs: Sequence[Run], names: Sequence[str], figures: Callable[[Measurement], Mapping[str, float]]
) -> list[str]:
    """Empty where the process took no part."""
    every = [figures(run.measured) for run in runs]
    return [number(median(each[name] for each in every)) if name in every[0] else "" for name in names]


def _pair(old: Spread, new: Spread, rounds: int, higher: str, lower: str) -> list[str]:
    ratio = new.median / old.median
    if rounds < FEW:
        verdict = ""
    elif not new.is_beyond(old):
        verdict = "within the spread"
    else:
        verdict = higher if ratio > 1 else lower
    return [_show(old), _show(new), f"{ratio:.3f}", verdict]


def _show(values: Spread) -> str:
    return f"{number(values.least)} / **{number(values.median)}** / {number(values.most)}"


def _met(value: float, target: float | None) -> list[str]:
    return ["", ""] if target is None else [f"≥ {number(target)}", _missed(value < target)]


def _missed(missed: bool) -> str:
    return "MISSED" if missed else "met"
