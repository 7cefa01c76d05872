"""CPU time and memory of processes, as the operating system counts them (`/proc`, Linux)."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
RESET_PEAK = "5"  # what /proc/PID/clear_refs takes for it


@dataclass(frozen=True)
class Usage:
    """Of a process and all that it started: CPU seconds so far, and the most that one of them had resident, in MB."""

    cpu_s: float
    peak_mb: float


def usages(pids: Mapping[str, int]) -> dict[str, Usage]:
    """The usage of each process, by the names given. One that has ended counts as nothing."""
    tree = _Tree()
    return {name: Usage(tree.cpu_s(pid), _peak_mb(tree.with_descendants(pid))) for name, pid in pids.items()}


def reset_peaks(pids: Iterable[int]) -> None:
    """Let the peak of each process, and of all that it started, begin anew at what it has resident now."""
    tree = _Tree()
    for root in pids:
        for pid in tree.with_descendants(root):
            try:
                (PROC / str(pid) / "clear_refs").write_text(RESET_PEAK)
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended


class _Tree:
    """All processes of the machine at one moment."""

    def __init__(self) -> None:
        self._ticks: dict[int, int] = {}
        self._children: dict[int, list[int]] = defaultdict(list)
        for folder in PROC.iterdir():
            if folder.name.isdigit():
                self._read(int(folder.name))

    def cpu_s(self, root: int) -> float:
        return sum(self._ticks.get(pid, 0) for pid in self.with_descendants(root)) / TICKS_PER_S

    def with_descendants(self, root: int) -> list[int]:
        """By parent, since Postgres gives each backend a session of its own."""
        found = [root]
        for pid in found:
            found += self._children[pid]
        return found

    def _read(self, pid: int) -> None:
        try:
            text = (PROC / str(pid) / "stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return  # it has just ended
        fields = text.rpartition(")")[2].split()  # a program's name may hold blanks and brackets
        self._children[int(fields[1])].append(pid)
        # its own and those of the children it has waited for: user, system, children's user, children's system
        self._ticks[pid] = sum(int(field) for field in fields[11:15])


def _peak_mb(pids: Iterable[int]) -> float:
    return max((peak_mb(pid) for pid in pids), default=0.0)


def peak_mb(pid: int) -> float:
    """The most that this one process had resident, in MB; 0 if it has ended."""
    try:
        text = (PROC / str(pid) / "status").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return int(lines.get("VmHWM", "0 kB").split()[0]) / 1000
