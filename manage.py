#!/usr/bin/env python
"""Django's command line, for this project."""

import os
import sys

try:
    from eventsite.commandline import run
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed for {sys.executable}: `make install`, then .venv/bin/python manage.py …")

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eventsite.settings")
    run(sys.argv)
