"""`manage.py consume_kafka`: events from Kafka into Postgres and Redis, in order per user, each once."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from processing.consumer.poller import Poller
from processing.kafka.clients import consumed_topics

END_WITHIN_S = 9.0  # whatever holds up the end

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Process events from Kafka until stopped (SIGTERM, Ctrl-C)."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--topic", action="append", help="read this topic instead; can be given several times")
        parser.add_argument("--group", default=settings.KAFKA_CONSUMER_GROUP, help="consumer group")
        parser.add_argument("--batch-size", type=int, default=settings.CONSUMER_BATCH_SIZE, help="events a batch")
        parser.add_argument("--once", action="store_true", help="process what there is, then exit")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: _end(stop))
        topics = options["topic"] or consumed_topics()
        Poller(topics, options["group"], options["batch_size"], stop).run(once=options["once"])


def _end(stop: threading.Event) -> None:
    stop.set()
    watchdog = threading.Timer(END_WITHIN_S, _give_up)
    watchdog.daemon = True
    watchdog.start()


def _give_up() -> None:
    try:
        log.warning("did not end in time: what is not committed will be read again")
    finally:
        os._exit(0)
