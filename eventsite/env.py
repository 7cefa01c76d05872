"""Where the site's variables come from: the process's environment, else the stack that `make run` or `make services`
keeps up in this checkout, else `.env`. An empty value counts as not set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from eventsite import runfile
from processing.conf.reading import TRUE


def load(base: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """All variables that count, strongest source last; none is empty. IGNORE_ENV_FILES keeps the files out."""
    given = {name: value for name, value in environment.items() if value.strip()}
    if "IGNORE_ENV_FILES" in given:
        return given
    return {
        **{name: value for name, value in runfile.read(base / ".env").items() if value.strip()},
        **runfile.read_if_up(base / "var" / "services.env"),
        **runfile.read_if_up(base / "var" / "run.env"),
        **given,
    }


def is_true(text: str) -> bool:
    """For those who look before the settings do, and leave the complaint to them."""
    return text.strip().lower() in TRUE
