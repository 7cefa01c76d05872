"""`manage.py replay_dead_letters`: a new set of tries for dead letters, each user's in order, as a replay run."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from processing.domain.away import StoppedError
from processing.domain.replays import Choice, Phase, Refusal
from processing.operators import replay_runs
from processing.operators.chunks import Refused
from processing.operators.replay_preview import preview
from processing.postgres.dead_letters import find_carriers, find_open
from processing.postgres.replay_runs import find_run, refusals_of


class Command(BaseCommand):
    help = "Try dead letters again: all that are open, or those that the options name. The admin shows the run too."
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
        parser.add_argument("--reason", default="", help="why; it is kept on record")
        parser.add_argument("--dry-run", action="store_true", help="only say what it would do")
        parser.add_argument("--run", type=int, help="watch this run, which was started here or in the admin")
        parser.add_argument("--cancel", type=int, metavar="RUN", help="cancel this run")
        parser.add_argument("--go-on", type=int, metavar="RUN", help="go on with this run, which was cancelled")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._handle(options)
        except StoppedError as error:
            raise CommandError("Postgres is not fit, see its log: a run that was begun goes on by itself") from error
        except Refused as refused:
            raise CommandError(f"left as it was: {refused}") from refused

    def _handle(self, options: Mapping[str, Any]) -> None:
        who = actor("replay_dead_letters")
        for run in (options["cancel"], options["go_on"], options["run"]):
            if run is not None and find_run(run) is None:
                raise CommandError(f"there is no replay {run}")
        if options["cancel"] is not None:
            self.stdout.write(replay_runs.cancel(options["cancel"], actor=who))
            return
        if options["go_on"] is not None:
            self.stdout.write(replay_runs.go_on(options["go_on"], actor=who))
        run = options["go_on"] or options["run"]
        if run is None:
            choice = _choice(options)
            if options["dry_run"]:
                self._say_what_it_would_do(choice)
                return
            run = replay_runs.start(choice, actor=who, reason=options["reason"])
        self._drive(run, who)
        self._report(run, named=bool(options["id"]))

    def _say_what_it_would_do(self, choice: Choice) -> None:
        found = preview(choice)
        self.stdout.write(f"would replay: {found.number}")
        for line in found.effects:
            self.stdout.write(f"  {line}")
        for each in found.sample:
            self.stdout.write(f"  {each.id!r}")

    def _drive(self, run: int, who: str) -> None:
        self.stdout.write(f"replay {run}: the admin shows how far it is, and cancels it")
        try:
            with tqdm(unit="", disable=None) as progress:
                for state in replay_runs.drive(run):
                    progress.total = state.chosen
                    progress.update(state.replayed + state.refused - progress.n)
        except KeyboardInterrupt:
            self.stdout.write(replay_runs.cancel(run, actor=who))

    def _report(self, run: int, *, named: bool) -> None:
        found = find_run(run)
        if found is None:
            raise CommandError(f"there is no replay {run}")
        self.stdout.write(f"replayed: {found.replayed}")
        self.stdout.write(f"left as they were: {found.refused}")
        for line in lines(refusals_of(run)):
            self.stdout.write(f"  {line}")
        if found.cancelled:
            left = f"{found.chosen - found.replayed - found.refused}"
            if found.phase is Phase.CHOOSING:
                left += ", and those that it had not chosen yet"
            raise CommandError(f"it was cancelled; not replayed: {left}. --go-on {run} goes on")
        if found.refused and named:
            raise CommandError("not all of the events named could be replayed, see above")


def _choice(options: Mapping[str, Any]) -> Choice:
    if not options["id"]:
        return Choice(type=options["type"], since=options["since"])
    carriers = find_carriers(options["id"])
    ids = find_open([*options["id"], *carriers], options["type"], options["since"])
    known = {*ids, *carriers.values()}
    missing = set(options["id"]) - known if not (options["type"] or options["since"]) else set()
    return Choice(ids=[*ids, *sorted(missing)])


def moment(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no RFC 3339 time, such as 2026-05-01T12:00:00Z") from error
    if parsed.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset: write {text}Z for UTC")
    return parsed


def lines(refusals: Mapping[str, Refusal]) -> list[str]:
    """Each reason, with the number of its events and the first of their ids."""
    return [
        f"{number}: {reason} ({', '.join(map(repr, ids))}{', …' if number > len(ids) else ''})"
        for reason, (number, ids) in sorted(refusals.items(), key=lambda each: -each[1][0])
    ]


def actor(command: str) -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "unknown"
    return f"{user} ({command})"
