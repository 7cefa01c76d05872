"""`python -m eventsite …`: what `manage.py` is in a checkout, for the installed site."""

import os
import sys

from eventsite.commandline import run

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eventsite.settings")
    run(sys.argv)
