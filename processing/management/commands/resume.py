"""`manage.py resume`: a kind that is paused or stopped goes on with what waits for it, in order."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.domain.away import StoppedError
from processing.management.kind_arguments import actor, add_kind_arguments, kind_of_options
from processing.operators import kinds


class Command(BaseCommand):
    help = "Let a family, a type or a topic go on that is paused or stopped."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add_kind_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        kind = kind_of_options(options)
        try:
            self.stdout.write(kinds.resume(kind, actor=actor("resume")))
        except kinds.Refused as refused:
            raise CommandError(str(refused)) from refused
        except StoppedError as error:
            raise CommandError("Postgres is not fit, see its log: run this again") from error
