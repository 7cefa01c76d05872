"""The Celery app: `celery -A eventsite worker`, `celery -A eventsite beat`."""

from __future__ import annotations

import logging.config
import os
import warnings
from threading import Timer
from typing import Any

import kombu
from celery import Celery
from celery.app.amqp import AMQP
from celery.exceptions import SecurityWarning
from celery.signals import beat_init, celeryd_init, setup_logging, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eventsite.settings")

from django.conf import settings

from eventsite import redis_transport
from eventsite.commandline import require_services

STOP_WITHIN_S = 8.0
CONNECT_EVERY_S = 2.0

# It warns root of messages that carry code; ours are JSON and carry none.
warnings.filterwarnings("ignore", category=SecurityWarning)


class Connection(kombu.Connection):
    """To a broker that is away, and is to be met soon after it is back: kombu's pauses grow to half a minute."""

    def ensure_connection(self, *args: Any, **options: Any) -> kombu.Connection:  # type: ignore[override]
        pauses = {"interval_start": CONNECT_EVERY_S, "interval_step": 0, "interval_max": CONNECT_EVERY_S}
        return super().ensure_connection(*args, **{**options, **pauses})


class Messaging(AMQP):
    Connection = Connection


redis_transport.use_for_redis_urls()
app = Celery("eventsite", broker=settings.CELERY_BROKER_URL, amqp=Messaging)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    logging.config.dictConfig(settings.LOGGING)


@worker_shutting_down.connect
def _end_in_time(**_: Any) -> None:
    """A task that hangs must not hold up the end: the sweeper does again what it did not commit."""
    timer = Timer(STOP_WITHIN_S, os._exit, [0])
    timer.daemon = True
    timer.start()


@celeryd_init.connect
@beat_init.connect
def _require_services(**_: Any) -> None:
    require_services()
