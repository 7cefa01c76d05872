"""Name the Python files and functions that are longer than a reader likes; Django writes migrations."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_MAX_LINES = 300
FUNCTION_MAX_LINES = 50


def main() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.py", ":!*/migrations/*"], capture_output=True, text=True, check=True
    ).stdout
    sys.exit("\n".join(line for name in listed.splitlines() if Path(name).is_file() for line in too_long(name)) or 0)


def too_long(name: str) -> Iterator[str]:
    """A line for the file, and for each of its functions, that is over the limit."""
    text = Path(name).read_text(encoding="utf-8")
    if (lines := len(text.splitlines())) > FILE_MAX_LINES:
        yield f"{name}: {lines} lines, at most {FILE_MAX_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_MAX_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_MAX_LINES}"


if __name__ == "__main__":
    main()
