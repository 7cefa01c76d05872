"""What `pause` and `resume` share: how a kind is named on the command line."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import CommandError, CommandParser

from processing.operators.kinds import NO_FAMILY, Refused, name_kind


def add_kind_arguments(parser: CommandParser) -> None:
    parser.add_argument("--family", help=f"a family, such as game; {NO_FAMILY} with a type that has none")
    parser.add_argument("--type", help="one of its types")
    parser.add_argument("--topic", help="all that stands in a topic")


def kind_of_options(options: dict[str, Any]) -> str:
    """Raises `CommandError`."""
    try:
        return name_kind(family=options["family"], type=options["type"], topic=options["topic"])
    except Refused as refused:
        raise CommandError(str(refused)) from refused


def actor(command: str) -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "unknown"
    return f"{user} ({command})"
