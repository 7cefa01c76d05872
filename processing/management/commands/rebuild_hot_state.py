"""`manage.py rebuild_hot_state`: Redis from Postgres, while everything runs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from processing.hot_state import rebuild

STEPS = {
    "dead letters": rebuild.rebuild_dead_letters,
    "events": rebuild.rebuild_events,
    "order lists": rebuild.rebuild_all_order_lists,
}


class Command(BaseCommand):
    help = "Write the hot state in Redis anew from Postgres. Safe while everything runs."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        for name, step in STEPS.items():
            done = 0
            with tqdm(desc=name, unit="", disable=None) as progress:
                for count in step():
                    progress.update(count)
                    done += count
            self.stdout.write(f"{name}: {done}")
