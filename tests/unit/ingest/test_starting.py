"""An event type is written into a module that is there."""

from __future__ import annotations

import pytest

from ingest.families.starting import add_imports

OWN = '''"""The kinds of event of the shop."""

from __future__ import annotations

import msgspec

from ingest.families.declaration import event_type
from shop.models import Order

class OrderPlaced(msgspec.Struct): ...
'''


def test_what_is_missing_is_imported_below_the_imports_that_are_there() -> None:
    added = """from collections.abc import Sequence
from ingest.families.declaration import on
from processing.domain.envelope import Event
"""
    models = "from shop.models import Order\n"
    assert add_imports(OWN, "msgspec") == OWN.replace(models, models + added)
    assert add_imports(add_imports(OWN, "msgspec"), "msgspec") == add_imports(OWN, "msgspec")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ('"""Events."""', '"""Events."""'),
        ("LIMIT = 5\n", "from collections.abc import Sequence"),
        ("import json; X = 1", "import json; X = 1"),
        ("from shop import (\n    a,\n    b,\n)\n", "from shop import ("),
    ],
)
def test_a_module_of_any_form_stays_whole(text: str, first: str) -> None:
    written = add_imports(text, "pydantic")
    assert written.splitlines()[0] == first
    assert set(text.splitlines()) <= set(written.splitlines())
    compile(written, "events.py", "exec")


@pytest.mark.parametrize(
    "text", ["from shop.models import Event", "class Event: ...", "def on(): ...", "import logging as on", "on = 1"]
)
def test_a_name_that_is_another_thing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(Event|on) is something else there"):
        add_imports(text, "msgspec")
