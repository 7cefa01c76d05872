"""`manage.py prune`: what retention does once an hour, at once and told; or what it would do."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from tqdm import tqdm

from processing.background import retention


class Command(BaseCommand):
    help = "Takes what is older than RETENTION_DAYS, and RETENTION_FORGET_DAYS; open dead letters never."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would go, table by table")

    def handle(self, *args: Any, **options: Any) -> None:
        found = retention.foretell()
        self.stdout.write(
            f"RETENTION_DAYS={settings.RETENTION_DAYS}, RETENTION_FORGET_DAYS={settings.RETENTION_FORGET_DAYS}: "
            + ("would go" if options["dry_run"] else "go")
        )
        taken = found if options["dry_run"] else self._prune(found)
        for what, rows in taken.items():
            self.stdout.write(f"  {what}: {rows}")

    def _prune(self, found: dict[str, int]) -> dict[str, int]:
        """How many rows were taken from what; rows that come of age meanwhile go too."""
        taken = dict.fromkeys(found, 0)
        with tqdm(total=sum(found.values()), unit=" rows", disable=None) as progress:

            def told(what: str, rows: int) -> None:
                taken[what] += rows
                progress.set_postfix_str(what)
                progress.update(rows)

            retention.retire(told)
        return taken
