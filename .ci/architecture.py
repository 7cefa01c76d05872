"""Draw the floors of docs/architecture.md from the code: import-linter's layers and each module's own first sentence.

python .ci/architecture.py           write it
python .ci/architecture.py --check   fail, saying so, if it is not what the code says
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn by .ci/architecture.py -->", "<!-- end of the drawing -->"
WIDTH = 100


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    drawn = f"{before}{BEGIN}\n\n{drawing()}\n{END}{after}"
    if "--check" not in sys.argv:
        PAGE.write_text(drawn, encoding="utf-8")
    elif drawn != text:
        sys.exit("docs/architecture.md is not what the code says: run `python .ci/architecture.py`")


def drawing() -> str:
    return "\n".join(part for container, floors in layers() for part in draw_app(container, floors))


def layers() -> Iterator[tuple[str, list[list[str]]]]:
    """Each app that has floors, and these from top to bottom, as lists of rooms."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers" and "containers" in contract:
            rooms = [[room.strip(" ()") for room in layer.replace(":", "|").split("|")] for layer in contract["layers"]]
            yield contract["containers"][0], rooms


def draw_app(app: str, floors: list[list[str]]) -> Iterator[str]:
    yield f"## `{app}`\n\n```"
    rule = "─" * (WIDTH - 2)
    for number, rooms in enumerate(floors):
        yield f"{'┌' if number == 0 else '├'}{rule}{'┐' if number == 0 else '┤'}"
        yield f"│{'   '.join(rooms).center(WIDTH - 2)}│"
    yield f"└{rule}┘\n```\n"
    for rooms in floors:
        for room in rooms:
            yield from describe(app, room)


def describe(app: str, room: str) -> Iterator[str]:
    """A table of the room's modules; a room that is one module has one line."""
    folder = ROOT / app / room
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    told = [(file, first_sentence(file)) for file in files if "migrations" not in file.parts]
    if any(sentence for _, sentence in told):
        yield f"**{room}**\n\n| file | what it is |\n|---|---|"
        yield from (f"| `{file.relative_to(ROOT)}` | {sentence} |" for file, sentence in told if sentence)
        yield ""


def first_sentence(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    main()
