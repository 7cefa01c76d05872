"""The Celery app: `celery -A eventsite worker`, `celery -A eventsite beat`."""

from __future__ import annotations

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, celeryd_init, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eventsite.settings")

from django.conf import settings

from eventsite.commandline import require_services

app = Celery("eventsite", broker=settings.CELERY_BROKER_URL)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    logging.config.dictConfig(settings.LOGGING)


@celeryd_init.connect
@beat_init.connect
def _require_services(**_: Any) -> None:
    require_services()
