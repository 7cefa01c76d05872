"""`manage.py pause`: a kind of event is set aside; its events are stored and wait, until it is resumed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.domain.away import StoppedError
from processing.management.kind_arguments import actor, add_kind_arguments, kind_of_options
from processing.operators import kinds


class Command(BaseCommand):
    help = "Set a family, a type or a topic aside: its events are stored, and wait in order."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add_kind_arguments(parser)
        parser.add_argument("--reason", default="", help="why, for those who see it")

    def handle(self, *args: Any, **options: Any) -> None:
        kind = kind_of_options(options)
        try:
            self.stdout.write(kinds.pause(kind, actor=actor("pause"), reason=options["reason"]))
        except kinds.Refused as refused:
            raise CommandError(str(refused)) from refused
        except StoppedError as error:
            raise CommandError("Postgres is not fit, see its log: run this again") from error
