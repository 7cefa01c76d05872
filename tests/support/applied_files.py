"""`manage.py process_events`, and lines for it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

PLAIN = {"userId": "u", "type": "page.viewed"}


def process(path: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command("process_events", str(path), stdout=out, **options)
    return out.getvalue().strip()


def process_badly(path: Path, match: str) -> str:
    """What it printed, though it ended with an error."""
    out = io.StringIO()
    with pytest.raises(CommandError, match=match):
        call_command("process_events", str(path), stdout=out)
    return out.getvalue().strip()


def numbered(seq: int, user: str = "u", **members: Any) -> dict[str, Any]:
    return {
        "userId": user,
        "type": "t",
        "family": "flaky",
        "eventId": f"{user}-{seq}",
        "payload": {"seq": seq, **members},
    }
