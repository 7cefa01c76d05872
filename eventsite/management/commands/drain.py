"""Wait until the consumers have read all there is: the end of a stack whose broker forgets."""

import time
from argparse import ArgumentParser
from typing import Any

from confluent_kafka import KafkaException
from django.core.management.base import BaseCommand, CommandError

from eventsite.backlog import unread_partitions

PAUSE_S = 0.3
BROKER_TIMEOUT_S = 5.0


class Command(BaseCommand):
    help = "Wait until the consumer group has committed all that is in its topics."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--timeout", type=float, default=30, help="seconds")

    def handle(self, *args: Any, **options: Any) -> None:
        deadline = time.monotonic() + options["timeout"]
        try:
            while unread := unread_partitions(BROKER_TIMEOUT_S):
                if time.monotonic() > deadline:
                    names = ", ".join(f"{topic}[{number}]" for topic, number in sorted(unread))
                    raise CommandError(f"not all read within {options['timeout']:g} s: {names} hold more")
                time.sleep(PAUSE_S)
        except KafkaException as error:
            raise CommandError(f"the broker does not say what is left: {error}") from error
        self.stdout.write("all that came in is processed")
