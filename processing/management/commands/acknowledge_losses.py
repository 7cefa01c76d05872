"""`manage.py acknowledge_losses`: what the log lost has been seen, and is told no longer."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.domain.away import StoppedError
from processing.management.commands.replay_dead_letters import actor
from processing.operators import losses


class Command(BaseCommand):
    help = "Acknowledge losses: those that the options name. Without an option, list the open ones."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--id", type=int, action="append", help="this loss; can be given several times")
        which.add_argument("--all", action="store_true", help="all that are open")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if not options["id"] and not options["all"]:
                for id, text in losses.open_losses().items():
                    self.stdout.write(f"{losses.name(id)}: {text}")
                return
            ids = options["id"] or list(losses.open_losses())
            result = losses.acknowledge(ids=ids, actor=actor("acknowledge_losses"))
        except StoppedError as error:
            raise CommandError("Postgres is not fit, see its log: run this again, it goes on") from error
        for name, text in result.done.items():
            self.stdout.write(f"acknowledged: {name}: {text}")
        if result.refused:
            raise CommandError("; ".join(f"{name} {why}" for name, why in result.refused.items()))
        if not result.done:
            self.stdout.write("no loss is open")
