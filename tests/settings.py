"""The site's settings on services that are there for the tests alone.

Importing this starts them, since settings are read once: Postgres, Redis and a broker on free ports, in a folder that
goes with the run. Those of DATABASE_URL, REDIS_URL and KAFKA_BOOTSTRAP_SERVERS that are set are used instead.
TEST_KAFKA=real stands a real Apache Kafka in for the embedded broker. A run of tests/unit alone starts none of them.
"""

from __future__ import annotations

import os
import sys

from tests.services import prepare

os.environ["IGNORE_ENV_FILES"] = "1"  # neither a developer's .env nor a running stack
os.environ.setdefault("DEBUG", "1")
prepare(os.environ, sys.argv[1:])

from eventsite.settings import *  # noqa: E402, F403
from eventsite.settings import INSTALLED_APPS as _SITE  # noqa: E402

KAFKA_SESSION_TIMEOUT_MS = 3_000  # the embedded broker's first assignment takes half of it
WHITENOISE_AUTOREFRESH = True  # static files are found where they are, none have been collected
_SHOP = [] if "shop" in _SITE else ["tests.support.shop"]  # docs/add-your-own-event.md has one of the same name
INSTALLED_APPS = [*_SITE, *_SHOP, "tests.support.warehouse"]  # a team's own apps
DATABASES["default"]["IDLE_S"] = 0.0  # noqa: F405 - a database that somebody is connected to cannot be copied
