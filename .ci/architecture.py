"""Draw the floors of docs/architecture.md from the code: import-linter's layers, and what each module says of itself.

python .ci/architecture.py           write it
python .ci/architecture.py --check   fail, saying so, if it is not what the code says
"""

from __future__ import annotations

import ast
import sys
import textwrap
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn by .ci/architecture.py -->", "<!-- end of the drawing -->"
ROOM_WIDTH, TEXT_WIDTH = 12, 84  # characters
UNTOLD = {"apps.py"}  # Django's own


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"docs/architecture.md lacks a line of these two: {BEGIN}, {END}")
    drawn = f"{before}{BEGIN}\n\n{drawing()}\n{END}{after}"
    if "--check" not in sys.argv:
        PAGE.write_text(drawn, encoding="utf-8")
    elif drawn != text:
        sys.exit("docs/architecture.md is not what the code says: run `.venv/bin/python .ci/architecture.py`")


def drawing() -> str:
    """The apps on top of each other, then each app that has floors."""
    apps, floors = layers()
    parts = ["### The apps\n", *draw("", apps)]
    for app, rooms in floors:
        parts += [f"### `{app}`\n", *draw(app, rooms), *(line for room in flat(rooms) for line in describe(app, room))]
    return "\n".join(parts)


def layers() -> tuple[list[list[str]], list[tuple[str, list[list[str]]]]]:
    """The apps, and the rooms of each app (or package) that has floors; from top to bottom, those of a floor in one
    list."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    apps: list[list[str]] = []
    floors: list[tuple[str, list[list[str]]]] = []
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract["type"] != "layers":
            continue
        rooms = [[room.strip(" ()") for room in layer.replace(":", "|").split("|")] for layer in contract["layers"]]
        if "containers" not in contract:
            apps = rooms
        elif "." not in contract["containers"][0]:
            floors.append((contract["containers"][0], rooms))
    return apps, floors


def flat(floors: Sequence[Sequence[str]]) -> list[str]:
    return [room for rooms in floors for room in rooms]


def draw(app: str, floors: Sequence[Sequence[str]]) -> Iterator[str]:
    """The floors as a text drawing: a line a room, with its first sentence."""
    yield "```"
    for number, rooms in enumerate(floors):
        left, middle, right = "├┼┤" if number else "┌┬┐"
        yield left + "─" * (ROOM_WIDTH + 2) + middle + "─" * (TEXT_WIDTH + 2) + right
        for room in rooms:
            yield from draw_room(room, first_sentence(module(app, room)))
    yield "└" + "─" * (ROOM_WIDTH + 2) + "┴" + "─" * (TEXT_WIDTH + 2) + "┘"
    yield "```\n"


def draw_room(name: str, sentence: str) -> Iterator[str]:
    for line in textwrap.wrap(sentence, TEXT_WIDTH) or [""]:
        yield f"│ {name:<{ROOM_WIDTH}} │ {line:<{TEXT_WIDTH}} │"
        name = ""


def describe(app: str, room: str) -> Iterator[str]:
    """A table of the room's modules; none for a room that is one module, which the drawing has told."""
    folder = ROOT / app / room
    files = sorted(file for file in folder.rglob("*.py") if file.name != "__init__.py")
    told = [(file, first_sentence(file).replace("|", "\\|")) for file in files if file.name not in UNTOLD]
    if told:
        yield f"**{app}/{room}**\n\n| file | what it is |\n|---|---|"
        yield from (f"| `{file.relative_to(folder)}` | {sentence} |" for file, sentence in told)
        yield ""


def module(app: str, room: str) -> Path:
    folder = ROOT / app / room
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def first_sentence(file: Path) -> str:
    """The first paragraph of the module's docstring on one line; empty if it has none."""
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    main()
