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
    rows += [(f"  open transaction: {_place(each)}", _held_up(each)) for each in status["openTransactions"]]
    rows += [("  too few copies", line) for line in status["unsafeTopics"]]
    rows += [(name, str(status[name])) for name in ("held", "retrying")]
    unpublished = status["unpublishedDeadLetters"]
    not_there = f" ({unpublished} not on {settings.KAFKA_DLQ_TOPIC} yet)" if unpublished else ""
    rows.append(("dead letters", f"{status['deadLetters']}{not_there}"))
    rows += loss_rows(status["losses"])
    since = f" (since {status['oldestGapSince']})" if status["gaps"] else ""
    rows.append(("gaps waited for", f"{status['gaps']}{since}"))
    rows.append(("gaps passed", str(status["passedGaps"])))
    rows.append(("hot state to be written", str(status["hotStateToWrite"])))
    rows += [(f"effects {name}", str(number)) for name, number in status["effects"].items()]
    rows.append(("kinds set aside", str(len(status["kinds"]))))
    rows += [(f"  {kind['kind']}", _of_kind(kind)) for kind in status["kinds"]]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _place(each: dict[str, Any]) -> str:
    return f"{each['topic']}, partition {each['partition']}"


def _held_up(each: dict[str, Any]) -> str:
    since = "" if each["since"] is None else f" for {each['heldUpSeconds']:.0f} s, since {each['since']}"
    return f"holds up offset {each['offset']}{since}"


def loss_rows(losses: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """A line a topic and reason; one line where nothing was lost, or all of it is acknowledged."""
    if not losses:
        return [("lost messages", "0")]
    return [("lost messages", _loss(each)) for each in losses]


def _loss(each: dict[str, Any]) -> str:
    count = f"{each['messages']} or more of {each['topic']} ({each['why']})"
    return f"{count}, {each['losses']} losses, the first found at {each['since']}"


def _of_kind(kind: dict[str, Any]) -> str:
    oldest = f" (since {kind['oldestSince']})" if kind["waiting"] else ""
    by = f" by {kind['by']}" if kind["by"] else ""
    reason = f": {kind['reason']}" if kind["reason"] else ""
    error = f"; the last error: {kind['lastError']}" if kind["lastError"] else ""
    return f"{kind['state']} since {kind['since']}{by}, waiting: {kind['waiting']}{oldest}{reason}{error}"
