"""`manage.py set_lane`: a lane's next `seq`, forward past what it waits for, or back to where it was led astray."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.domain.away import StoppedError
from processing.operators.set_lane import foresee, set_lane


class Command(BaseCommand):
    help = "Set the next seq of a user's lane. Final events are stepped over and still own their seqs."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="the userId")
        parser.add_argument("seq", metavar="SEQ", type=int, help="the next seq")
        parser.add_argument(
            "--replay", action="store_true", help="back: skipped events from there wait again; else they lose their seq"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what it would do")

    def handle(self, *args: Any, **options: Any) -> None:
        user, seq, replay = options["user"], options["seq"], options["replay"]
        try:
            if options["dry_run"]:
                setting = foresee(user, seq, replay=replay)
            else:
                setting = set_lane(user, seq, replay=replay, actor=actor())
        except StoppedError as error:
            raise CommandError("Postgres is not fit, see its log: run this again") from error
        if setting.refused is not None:
            raise CommandError(setting.refused)
        self.stdout.write(f"{'would do: ' if options['dry_run'] else ''}{setting}")


def actor() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "unknown"
    return f"{user} (set_lane)"
