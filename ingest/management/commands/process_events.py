"""`manage.py process_events`: the lines of a file into Postgres and Redis, in bulk, each once."""

from __future__ import annotations

import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ingest.families.declaration import event_kinds
from ingest.files.apply.batches import Source
from ingest.files.apply.run import Report, Run
from ingest.files.opening import open_events, source_name
from ingest.files.progress import progress_bar
from ingest.files.recognise import kind_named
from processing.background.heartbeat import Heartbeat
from processing.domain.away import StoppedError
from processing.domain.process import take_role
from processing.management.busy import busy
from processing.management.signals import give_up, told_to_end

END_WITHIN_S = 9.0  # after the signal; a server that hangs would be waited for without limit
GO_ON = "run it again to go on: what is known is passed over (lanes wait a minute for a missing seq)"


class Command(BaseCommand):
    help = (
        "Applies a file to the database, past server and Kafka. Interrupted, or run again, it counts every line once."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="JSON lines, of any family; .gz and .zst are decompressed")
        parser.add_argument(
            "--family", choices=[kind.label for kind in event_kinds()], help="by default: see each line"
        )
        parser.add_argument(
            "--source", help="names the file in the ids of lines without one (default: its base name without .gz, .zst)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        take_role("process_events")
        path: Path = options["file"]
        source = Source(
            options["source"] or source_name(path),
            kind_named(options["family"]),
            settings.BODY_MAX_BYTES,
            settings.EVENT_MAX_BYTES,
        )
        report = Report()
        heartbeat = Heartbeat().start()
        try:
            self._apply(path, source, report)
        except OSError as error:
            raise CommandError(str(error)) from error
        except StoppedError as error:
            raise CommandError(f"{error}; {GO_ON}") from error
        finally:
            heartbeat.end()
            self.stdout.write(summary(report))
        if report.refused:
            raise CommandError(f"could not use {report.refused} of the lines, see above")

    def _apply(self, path: Path, source: Source, report: Report) -> None:
        with (
            open_events(path) as file,
            _stopped_by_signals() as stop,
            busy(),
            progress_bar(file.size, path.name) as bar,
        ):
            Run(
                source,
                stop,
                refuse=lambda bad: bar.write(f"line {bad.number}: {bad.reason}", file=sys.stderr),
                advance=lambda size: bar.update(file.newly_done(size, bar.n)),
                tell=lambda text: bar.write(text, file=sys.stderr),
                report=report,
            ).apply(file.content)


def summary(report: Report) -> str:
    """One line; what is 0 is left out, but for what everyone asks for."""
    counts, waiting = report.counts, report.waiting
    applied = counts.new - counts.skipped - sum(waiting.values())
    others = {**waiting, "skipped": counts.skipped}
    parts = [f"{applied} applied", f"{counts.known} already known"]
    parts += [f"{count} {status}" for status, count in sorted(others.items()) if count]
    return ", ".join([*parts, f"{report.refused} refused"])


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """A flag that SIGTERM and Ctrl-C set."""
    stop = threading.Event()
    watchdog = threading.Timer(END_WITHIN_S, _give_up)
    watchdog.daemon = True

    def end() -> None:
        watchdog.start()
        stop.set()

    try:
        with told_to_end(end):
            yield stop
    finally:
        watchdog.cancel()


def _give_up() -> None:
    told = f"ended in the middle of a batch, which is undone; {GO_ON}"
    give_up(1, lambda: print(told, file=sys.stderr, flush=True))
