"""Where the site keeps what it writes (`var/`) and reads `.env`: its checkout, or where an installed one is started."""

from __future__ import annotations

from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent

IS_CHECKOUT = (_CHECKOUT / "manage.py").is_file()
BASE = _CHECKOUT if IS_CHECKOUT else Path.cwd()
