"""How fast `process_events` applies a file, from the command's start to its end, with Redis written."""

from __future__ import annotations

from pathlib import Path

from bench.events import revenue_line, revenue_of
from bench.measure import Measurement, Meter
from bench.site import Site


def new_lines(site: Site, lines: int) -> Measurement:
    return _process(site, _file(site, lines), lines)


def known_lines(site: Site, lines: int) -> Measurement:
    """The same file once more."""
    file = _file(site, lines)
    _process(site, file, lines)
    return _process(site, file, lines)


def _file(site: Site, lines: int) -> Path:
    file = site.folder / "revenue.jsonl"
    with file.open("wb") as out:
        out.writelines(revenue_line(number) for number in range(lines))
    return file


def _process(site: Site, file: Path, lines: int) -> Measurement:
    site.wait_until_quiet()
    meter = Meter(site.pids)
    used = site.run("process_events", ["python", "manage.py", "process_events", str(file)]).wait()
    measured = meter.stop(lines, ended={"process_events": used})
    site.require_final(lines)
    site.require_value("SELECT sum(revenue) FROM users_revenue", revenue_of(lines))
    return measured
