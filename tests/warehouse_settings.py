"""The site's settings with the warehouse in it, for processes that a test starts."""

from eventsite.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.support.warehouse"]  # noqa: F405
