"""What Celery's processes do for the pipeline, whichever project's app they run: its tasks are known to them, beat has
their schedule, and each says that it goes on. A message that is lost costs time only, since the sweeper rescues its
events.
"""

from __future__ import annotations

from typing import Any

from celery.schedules import crontab
from celery.signals import beat_init, celeryd_init, worker_init
from django.conf import settings

from processing.domain.process import take_role

# Tasks expire, so that they do not pile up while no worker runs. Several beats at once only start them more often.
_SECONDS: dict[str, tuple[Any, int]] = {  # how often, and how long a task waits for a worker
    "sweep": (2.0, 10),
    "renew_marks": (10.0, 10),
    "tend_kinds": (2.0, 2),
    "tend_replays": (2.0, 2),
    "pass_orphaned_gaps": (10.0, 30),
    "pass_import_gaps": (5.0, 15),
    "retire": (crontab(minute=17), 3600),
}
SCHEDULE: dict[str, Any] = {
    name: {"task": name, "schedule": often, "options": {"expires": expires}}
    for name, (often, expires) in ((f"processing.tasks.{task}", times) for task, times in _SECONDS.items())
}


@beat_init.connect
def _take_beats_part(sender: Any, **_: Any) -> None:
    """`sender.scheduler` is the project's, of whatever kind, before its first tick."""
    known = sender.scheduler.schedule
    sender.scheduler.update_from_dict({name: entry for name, entry in SCHEDULE.items() if name not in known})
    _tell_of("beat")


@celeryd_init.connect
def _name_the_worker(**_: Any) -> None:
    from processing.background.state import keep_counting

    _tell_of("worker")
    keep_counting()


@worker_init.connect
def _serve_health(**_: Any) -> None:
    """Before the worker connects to its broker, so that it can say what keeps it from it."""
    if settings.METRICS_PORT is not None:
        from processing.health.server import serve
        from processing.health.worker import readiness_of_worker

        serve(settings.WEB_HOST, settings.METRICS_PORT + 1, readiness_of_worker())


def _tell_of(role: str) -> None:
    from processing.background.heartbeat import Heartbeat

    take_role(role)
    Heartbeat().start().end_with_process()
