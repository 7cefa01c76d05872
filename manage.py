#!/usr/bin/env python
"""Django's command line, for this project."""

import os
import sys

from eventsite.commandline import run

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eventsite.settings")
    run(sys.argv)
