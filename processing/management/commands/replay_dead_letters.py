"""`manage.py replay_dead_letters`: a new set of tries for dead letters, in the order of the log."""

from __future__ import annotations

import argparse
import getpass
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from processing.domain.away import StoppedError
from processing.operators import actions
from processing.postgres.dead_letters import find_carriers, find_open

NAMED = 10  # ids printed for each reason


class Command(BaseCommand):
    help = "Try dead letters again: all that are open, or those that the options name."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--id",
            action="append",
            default=[],
            help="this event, or one that an unreadable message carries; can be given several times",
        )
        parser.add_argument("--type", help="events of this type")
        parser.add_argument("--since", type=moment, help="dead letters since this RFC 3339 time")
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle(self, *args: Any, **options: Any) -> None:
        carriers = find_carriers(options["id"])
        ids = find_open([*options["id"], *carriers], options["type"], options["since"])
        if options["dry_run"]:
            self.stdout.write(f"would replay: {len(ids)}")
            for id in ids[:NAMED]:
                self.stdout.write(f"  {id!r}")
            return
        known = {*ids, *carriers.values()}
        missing = set(options["id"]) - known if not (options["type"] or options["since"]) else set()
        with tqdm(total=len(ids), unit="", disable=None) as progress:
            try:
                result = actions.replay(
                    ids=[*ids, *missing], actor=actor("replay_dead_letters"), progress=progress.update
                )
            except StoppedError as error:
                raise CommandError("Postgres is not fit, see its log: run this again, it goes on") from error
        self.stdout.write(f"replayed: {len(result.done)}")
        self.stdout.write(f"left as they were: {len(result.refused)}")
        for line in lines(result.refused):
            self.stdout.write(f"  {line}")
        if result.refused and options["id"]:
            raise CommandError("not all of the events named could be replayed, see above")


def moment(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no RFC 3339 time, such as 2026-05-01T12:00:00Z") from error
    if parsed.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset: write {text}Z for UTC")
    return parsed


def lines(texts: Mapping[str, str]) -> list[str]:
    """Each text once, with the number of its events and the first of their ids."""
    groups: dict[str, list[str]] = defaultdict(list)
    for id, text in texts.items():
        groups[text].append(id)
    return [
        f"{len(ids)}: {text} ({', '.join(map(repr, ids[:NAMED]))}{', …' if len(ids) > NAMED else ''})"
        for text, ids in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]


def actor(command: str) -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "unknown"
    return f"{user} ({command})"
