"""Read the protocol of Lua scripts: which function calls one, and the order in which it takes its arguments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TAKEN = re.compile(r"^ *local ([\w, ]+) = take\((\d+)\) -- (\w+)$")
LIST = re.compile(r"^ *local from, to = skip\(tonumber\(count\)\) -- (\w+)$")
TAKE = """local arguments, position = cmsgpack.unpack(ARGV[1]), 1

local function take(count)
  position = position + count
  return unpack(arguments, position - count, position - 1)
end
"""
ALSO_ALLOWED = re.compile(
    r"while arguments\[position\] do|unpack\(arguments, first,"
)  # is there more; a part of a list

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Taken:
    """Arguments that a script takes together; without fields it is a list, whose length was taken before."""

    record: str
    fields: tuple[str, ...]


def protocol(script: Path) -> list[Taken]:
    """What a script takes, in its order."""
    source = script.read_text()
    code = re.sub(r"--.*", "", source)
    assert TAKE in code, f"{script.name} takes its arguments in a way of its own"
    assert not re.search("ARGV|arguments", ALSO_ALLOWED.sub("", code.replace(TAKE, ""))), (
        f"{script.name} reads past `take` and `skip`"
    )
    return list(_taken(source))


def _taken(source: str) -> Iterator[Taken]:
    for line in source.splitlines():
        if match := TAKEN.match(line):
            names = tuple(match[1].split(", "))
            assert len(names) == int(match[2]), line
            yield Taken(match[3], names)
        elif match := LIST.match(line):
            yield Taken(match[1], ())
        else:
            assert not re.search(r"= *(take|skip)\(", line), f"not readable: {line}"


def arguments(script: Path, records: Mapping[str, Any]) -> list[Any]:
    """The arguments of a call with one of each record, by what the script takes: the order and the names are its."""
    made: list[Any] = []
    for taken in protocol(script):
        record = records[taken.record]
        if taken.fields:
            if taken.record != "count":
                assert set(taken.fields) == set(record), f"fields of `{taken.record}` in {script.name}"
            made += [1 if taken.record == "count" else record[name] for name in taken.fields]
        else:
            made += record
    return made


def callers(package: Path, script: Path) -> list[str]:
    """The functions that run the script, once for each call."""
    found: list[str] = []
    for file in sorted(package.rglob("*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef):
                found += [function.name for node in ast.walk(function) if _runs(node, script.stem)]
    return found


def _runs(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="_run" | "_script"), args=[ast.Constant(value=str(first)), *_]):
            return first == name
    return False
