"""The first lines of an event type, and of its test: what `manage.py startevent` writes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

FORMS = {
    "msgspec": ("import msgspec", "msgspec.Struct", "    reference: str\n"),
    "pydantic": ("from pydantic import BaseModel", "BaseModel", "    reference: str\n"),
    "drf": (
        "from rest_framework import serializers",
        "serializers.Serializer",
        "    reference = serializers.CharField()\n",
    ),
}

HEAD = """from __future__ import annotations

from collections.abc import Sequence

{library}

from ingest.families.declaration import event_type, on
from processing.domain.envelope import Event
"""

DECLARATION = '''

@event_type("{type}")
class {name}({base}):
    """What an event holds, beside its user and, if the sender likes, eventId, timestamp and seq."""

{members}

@on({name})
def {function}(events: Sequence[Event{payload}]) -> None:
    """In the transaction that records the events. Raise to have one tried again."""
    for event in events:
        ...  # event.user_id, event.payload
'''

TEST = """from django.test import TestCase

from processing.testing import PipelineMixin
{imports}

class {name}Test(PipelineMixin, TestCase):
{databases}    def test_it_is_processed(self) -> None:
        outcome = self.pipeline.apply({sample}, user="u-1", seq=1)
        self.assertEqual((outcome.status, outcome.attempts), ("processed", 1))

    def test_it_is_tried_again(self) -> None:
        self.pipeline.fail_once({name})
        outcome = self.pipeline.apply({sample}, user="u-1", seq=1)
        self.assertEqual(outcome.status, "retrying")
        self.pipeline.advance(seconds=60)
        self.assertEqual(self.pipeline.outcome(outcome.id).status, "processed")
"""


def type_of(name: str) -> str:
    """`OrderPlaced` is `order.placed`."""
    return ".".join(_words(name))


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)]


def head_text(form: str) -> str:
    return HEAD.format(library=FORMS[form][0])


def add_imports(text: str, form: str) -> str:
    """A module's text with what a declaration needs imported, below the imports that it has.

    Raises `ValueError` where one of the names is another thing's, `SyntaxError` for what is no Python.
    """
    module = ast.parse(text)
    bound = dict(_bound(module))
    missing, below = [], 0
    for line in head_text(form).splitlines()[1:]:  # not its __future__: that would change the module's annotations
        needed = dict(_bound(ast.parse(line)))
        if other := sorted(name for name, source in needed.items() if bound.get(name, source) != source):
            raise ValueError(f"{' and '.join(other)} is something else there: give it another name")
        if names := [name for name in needed if name not in bound]:
            start = line.partition(" import ")[0]
            missing.append(f"{start} import {', '.join(names)}" if start.startswith("from ") else line)
    for place, statement in enumerate(module.body):
        docstring = place == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if docstring or isinstance(statement, ast.Import | ast.ImportFrom):
            below = statement.end_lineno or 0
    lines = text.splitlines()
    return "\n".join([*lines[:below], *missing, *lines[below:]]) + "\n"


def _bound(module: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that a module binds at its top level, and what each is."""
    for statement in module.body:
        if isinstance(statement, ast.Import):
            yield from ((each.asname or each.name, each.name) for each in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            for each in statement.names:
                yield each.asname or each.name, f"{statement.module}.{each.name}"
        elif isinstance(statement, ast.ClassDef | ast.FunctionDef):
            yield statement.name, "its own"
        elif isinstance(statement, ast.Assign):
            yield from ((each.id, "its own") for each in statement.targets if isinstance(each, ast.Name))


def declaration_text(name: str, form: str) -> str:
    _, base, members = FORMS[form]
    payload = "" if form == "drf" else f"[{name}]"
    function = "_".join(("on", *_words(name)))
    return DECLARATION.format(
        type=type_of(name), name=name, base=base, members=members, function=function, payload=payload
    )


def test_text(name: str, form: str, module: str, *, other_database: bool) -> str:
    """A serializer's payload is a dict, whose type is named."""
    sample = f'{name}(reference="A 7")' if form != "drf" else f'{{"reference": "A 7"}}, type="{type_of(name)}"'
    databases = '    databases = "__all__"\n\n' if other_database else ""
    return TEST.format(name=name, imports=f"from {module} import {name}\n", sample=sample, databases=databases)
