"""How Postgres runs where we are root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eventsite.local.services.postgres import unprivileged

LOOK = "import os, sys; sys.exit(os.geteuid() == 0 or not os.access(sys.argv[1], os.R_OK))"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root steps down")
def test_nobody_finds_programs_below_a_closed_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "program").touch()
    look = [sys.executable, "-c", LOOK, str(closed / "program")]
    assert subprocess.run(unprivileged(look), check=False).returncode == 0
