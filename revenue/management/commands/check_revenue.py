"""`manage.py check_revenue`: does revenue add up?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.domain.texts import counted
from revenue.proof import has_tables, prove

NAMED = 20


class Command(BaseCommand):
    help = (
        "Prove that each balance is the sum of its ledger entries, that these are numbered 1, 2, 3, … without holes, "
        "and that they are the processed revenue events of the inbox, one each. Exit status 1 if not."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--show", type=int, default=NAMED, help=f"of each kind of error so many (default {NAMED})")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["show"] < 1:
            raise CommandError("--show must be at least 1")
        if not has_tables():
            raise CommandError("there are no tables of revenue yet: run manage.py migrate")
        proof = prove(options["show"])
        checked = f"checked {counted(proof.users, 'user')} with {counted(proof.entries, 'ledger entry')}"
        if not proof.wrong:
            self.stdout.write(f"{checked}: all of it adds up")
            return
        self.stdout.write(f"{checked}:")
        for line in proof.lines:
            self.stdout.write(f"  {line}")
        raise CommandError(f"{counted(proof.wrong, 'error')}, shown above: {len(proof.lines)} (--show for more)")
