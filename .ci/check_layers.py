"""Each kind of touch has one place: raw SQL, Redis, a change of an event's status. What is elsewhere is named.

Ends with status 1 if there is any, else 0. What imports alone can tell is in pyproject.toml's contracts.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("eventsite", "revenue", "ingest", "processing")
MAY_SPEAK_SQL = (
    "processing/postgres/",
    "ingest/families/",
    "revenue/",
    "ingest/reading/",
    "ingest/files/identity.py",  # SQLite, on disk, to count the lines of a file
    "eventsite/local/",
    "eventsite/reset.py",
)
MAY_SPEAK_REDIS = (
    "processing/hot_state/",
    "ingest/publishing/",
    "eventsite/local/",
    "processing/conf/redis_address.py",  # reads URLs
)
CHANGES_STATUS = "processing/postgres/inbox.py"
DOMAIN = "processing/domain/"

SQL_CALLS = {"execute", "executemany", "cursor", "callproc"}
CONNECTIONS = {"connection", "connections"}
REDIS = {"redis", "django_redis", "valkey"}
SET_OF_UPDATE = re.compile(r"\bUPDATE\s+processing_inboxevent\b.*?\bSET\b(.*?)(?:\bWHERE\b|\bFROM\b|\Z)", re.DOTALL)
STATUS_OR_VERSION = re.compile(r"\b(status|version)\s*=")

TO_POSTGRES = "move it into a function of processing/postgres"
TO_HOT_STATE = "call a function of processing/hot_state or ingest/publishing"
TO_INBOX = "call change_statuses of processing/postgres/inbox.py"


@dataclass(frozen=True, order=True)
class Finding:
    file: str
    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}: {self.remedy}"


def find(file: str, source: str) -> list[Finding]:
    """What stands where it should not in a file, whose path is relative to the repository."""
    found: set[Finding] = set()
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if not file.startswith(MAY_SPEAK_SQL):
            found.update(Finding(file, line, what, TO_POSTGRES) for what in _sql(node))
        if not file.startswith(MAY_SPEAK_REDIS):
            found.update(Finding(file, line, what, TO_HOT_STATE) for what in _redis(node))
        if file != CHANGES_STATUS:
            found.update(Finding(file, line, what, TO_INBOX) for what in _status_changes(node))
        if file.startswith(DOMAIN) and any(module.startswith("django.db") for module in _modules(node)):
            found.add(Finding(file, line, "the domain imports django.db", "keep it pure: plain values in and out"))
    return sorted(found)


def _sql(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name = node.func.attr
        # COPY takes its statement; a list's or a dict's copy takes nothing
        if name in SQL_CALLS or (name == "copy" and node.args and not _is_name(node.func.value, "copy")):
            yield f"raw SQL (.{name})"
    if isinstance(node, ast.Attribute) and node.attr in CONNECTIONS and _is_name(node.value, "db"):
        yield f"django.db.{node.attr}"
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            if node.module == "django.db" and alias.name in CONNECTIONS:
                yield f"django.db.{alias.name}"
            if alias.name == "raw_cursor":
                yield "a cursor (raw_cursor)"


def _redis(node: ast.AST) -> Iterator[str]:
    """An error of Redis may be imported, to be caught."""
    if isinstance(node, ast.ImportFrom):
        if any(not alias.name.endswith("Error") for alias in node.names):
            yield from (f"a client of Redis ({each})" for each in _modules(node) if each.split(".")[0] in REDIS)
    else:
        yield from (f"a client of Redis ({each})" for each in _modules(node) if each.split(".")[0] in REDIS)


def _status_changes(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        for assigned in SET_OF_UPDATE.findall(node.value):
            yield from (f"an UPDATE of an event's {column}" for column in STATUS_OR_VERSION.findall(assigned))


def _modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
        yield node.module


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    found: list[Finding] = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if "migrations" not in path.parent.parts:
                found += find(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    for each in found:
        print(each)
    print(f"layers: {len(found)} found where they should not be" if found else "layers: all in place")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
