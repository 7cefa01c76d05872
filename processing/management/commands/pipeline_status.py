"""`manage.py pipeline_status`: what waits where."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from processing.operators.overview import overview


class Command(BaseCommand):
    help = "Show the lag of each partition and what is held, retried and dead-lettered."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        status = overview()
        self.stdout.write(json.dumps(status, indent=2) if options["json"] else table(status))


def table(status: dict[str, Any]) -> str:
    """One line a number."""
    rows = [("lag", "unknown: " + status["lagError"] if status["lag"] is None else str(status["lag"]))]
    rows += [(f"  {each['topic']}, partition {each['partition']}", str(each["lag"])) for each in status["partitions"]]
    rows += [(name, str(status[name])) for name in ("held", "retrying")]
    unpublished = status["unpublishedDeadLetters"]
    not_there = f" ({unpublished} not on {settings.KAFKA_DLQ_TOPIC} yet)" if unpublished else ""
    rows.append(("dead letters", f"{status['deadLetters']}{not_there}"))
    since = f" (since {status['oldestGapSince']})" if status["gaps"] else ""
    rows.append(("gaps waited for", f"{status['gaps']}{since}"))
    rows.append(("hot state to be written", str(status["hotStateToWrite"])))
    rows.append(("kinds set aside", str(len(status["kinds"]))))
    rows += [(f"  {kind['kind']}", _of_kind(kind)) for kind in status["kinds"]]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _of_kind(kind: dict[str, Any]) -> str:
    oldest = f" (since {kind['oldestSince']})" if kind["waiting"] else ""
    by = f" by {kind['by']}" if kind["by"] else ""
    reason = f": {kind['reason']}" if kind["reason"] else ""
    error = f"; the last error: {kind['lastError']}" if kind["lastError"] else ""
    return f"{kind['state']} since {kind['since']}{by}, waiting: {kind['waiting']}{oldest}{reason}{error}"
