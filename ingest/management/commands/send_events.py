from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ingest.families.declaration import event_kinds
from ingest.files.lines import BrokenFile
from ingest.files.opening import open_events, source_name
from ingest.files.progress import progress_bar
from ingest.files.recognise import kind_named
from ingest.files.send.client import Client, Rejected, Unreachable
from ingest.files.send.lines import read_lines
from ingest.files.send.sender import LINES_PER_REQUEST, Sender


class Command(BaseCommand):
    help = "Posts each line of a file to the running server. Interrupted, or run again, it counts every line once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="JSON lines, of any family; .gz and .zst are decompressed")
        parser.add_argument(
            "--family", choices=[kind.label for kind in event_kinds()], help="by default: see each line"
        )
        parser.add_argument(
            "--source", help="names the file in the ids of lines without one (default: its base name without .gz, .zst)"
        )
        parser.add_argument("--url", default=f"http://127.0.0.1:{settings.WEB_PORT}", help="default: %(default)s")
        parser.add_argument("--api-key", help="for servers that require one")
        parser.add_argument("--rate", type=positive(float), default=0, help="lines a second (default: no limit)")
        parser.add_argument("--concurrency", type=positive(int), default=4, help="requests at once (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        with ExitStack() as opened:
            try:
                client = Client(options["url"], options["api_key"], options["concurrency"])
                opened.enter_context(closing(client))
                file = opened.enter_context(open_events(path))
            except (OSError, ValueError) as error:
                raise CommandError(str(error)) from error
            bar = opened.enter_context(progress_bar(file.size, path.name))
            sender = Sender(
                client,
                tell=lambda number, reason: bar.write(f"line {number}: {reason}", file=sys.stderr),
                advance=lambda size: bar.update(file.newly_done(size, bar.n)),
                wait_for=bar.set_postfix_str,
                concurrency=options["concurrency"],
                lines_per_request=min(LINES_PER_REQUEST, settings.BATCH_MAX_EVENTS),
                rate=options["rate"],
            )
            source = options["source"] or source_name(path)
            lines = read_lines(file.content, source, kind_named(options["family"]), settings.BODY_MAX_BYTES)
            self._send(sender, lines, options["url"])
        if sender.report.refused:
            raise CommandError(f"could not use {sender.report.refused} of the lines, see above")

    def _send(self, sender: Sender, lines: Any, url: str) -> None:
        try:
            sender.send(lines)
        except Rejected as error:
            raise CommandError(f"{url}: {error}") from error
        except Unreachable as error:
            raise CommandError(f"{url}: {error}; run it again to go on where it stopped") from error
        except BrokenFile as error:
            raise CommandError(f"{error}; get it anew and run it again: what was sent is known") from error
        finally:
            report = sender.report
            self.stdout.write(
                f"{report.accepted} accepted, {report.duplicates} already known, {report.refused} refused"
            )


def positive(kind: type[int] | type[float]) -> Any:
    def parse(text: str) -> int | float:
        value = kind(text)
        if not 0 < value < 1e9:
            raise ArgumentTypeError(f"{text} is not above 0")
        return value

    parse.__name__ = f"positive {kind.__name__}"  # argparse names it for what is no number at all
    return parse
