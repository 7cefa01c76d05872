"""`manage.py consume_kafka`: events from Kafka into Postgres and Redis, in order per user, each once."""

from __future__ import annotations

import threading
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from prometheus_client import REGISTRY

from processing.background.heartbeat import Heartbeat
from processing.consumer.poll_errors import SettingRefused
from processing.consumer.poller import Poller
from processing.domain.process import take_role
from processing.health.consumer import readiness_of_consumer
from processing.health.server import serve
from processing.kafka.clients import consumed_topics
from processing.management.busy import busy
from processing.management.signals import give_up, told_to_end
from processing.metrics import LagGauges

END_WITHIN_S = 9.0  # whatever holds up the end

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Process events from Kafka until stopped (SIGTERM, Ctrl-C)."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--topic", action="append", help="read this topic instead; can be given several times")
        parser.add_argument("--group", default=settings.KAFKA_CONSUMER_GROUP, help="consumer group")
        parser.add_argument("--batch-size", type=int, default=settings.CONSUMER_BATCH_SIZE, help="events a batch")
        parser.add_argument(
            "--once", action="store_true", help="process what there is, then exit; stopped before: status 1"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        take_role("consumer")
        stop = threading.Event()
        with told_to_end(lambda: _end(stop, status=1 if options["once"] else 0)):
            self._consume(stop, options)

    def _consume(self, stop: threading.Event, options: dict[str, Any]) -> None:
        once = options["once"]
        topics = options["topic"] or consumed_topics()
        poller = Poller(topics, options["group"], options["batch_size"], stop)
        if settings.METRICS_PORT is not None:
            serve(settings.WEB_HOST, settings.METRICS_PORT, readiness_of_consumer(topics, poller.membership))
        gauges = LagGauges(poller.lags)
        REGISTRY.register(gauges)
        heartbeat = Heartbeat(poller.lags).start()
        try:
            with busy():
                drained = poller.run(once=once)
        except SettingRefused as error:
            raise CommandError(str(error)) from error
        finally:
            REGISTRY.unregister(gauges)
        heartbeat.end()
        if once and not drained:
            raise CommandError("stopped before all that the log holds was done")


def _end(stop: threading.Event, status: int) -> None:
    stop.set()
    watchdog = threading.Timer(END_WITHIN_S, _give_up, (status,))
    watchdog.daemon = True
    watchdog.start()


def _give_up(status: int) -> None:
    give_up(status, lambda: log.warning("did not end in time: what is not committed will be read again"))
