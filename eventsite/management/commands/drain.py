"""Wait until the consumers have read all there is: the end of a stack whose broker forgets."""

import time
from argparse import ArgumentParser
from typing import Any

from confluent_kafka import KafkaException
from django.core.management.base import BaseCommand, CommandError

from processing.domain.texts import counted
from processing.kafka.clients import consumed_topics
from processing.kafka.lag import group_lag
from processing.postgres.log_positions import forget_positions

PAUSE_S = 0.3


class Command(BaseCommand):
    help = "Wait until the consumer group has committed all that is in its topics."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--timeout", type=float, default=30, help="seconds")

    def handle(self, *args: Any, **options: Any) -> None:
        deadline = time.monotonic() + options["timeout"]
        try:
            while left := sum(group_lag(exact=True).values()):
                if time.monotonic() > deadline:
                    unread = counted(left, "message")
                    raise CommandError(
                        f"not processed after {options['timeout']:g} s: {unread}, which the broker forgets"
                    )
                time.sleep(PAUSE_S)
        except KafkaException as error:
            raise CommandError(f"the broker does not say what is left: {error}") from error
        forget_positions(consumed_topics())  # or the next start would miss what it cannot know to be empty
        self.stdout.write("all that came in is processed")
