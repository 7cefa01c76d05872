"""Where the site keeps what it writes (`var/`) and reads `.env`: its checkout, or where an installed one is started."""

from __future__ import annotations

from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent

BASE = _CHECKOUT if (_CHECKOUT / "manage.py").is_file() else Path.cwd()
