"""What the operator sees when a command cannot run: one line, no traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Collection, Sequence

import django
from django.conf import settings
from django.core.management import execute_from_command_line, get_commands
from django.db import NotSupportedError, OperationalError, ProgrammingError
from psycopg.errors import UndefinedColumn, UndefinedTable
from redis.exceptions import ConnectionError as RedisConnectionError

from processing.postgres.schema import unsupported_version, why_unsupported

SERVICES = ("DATABASE_URL", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS")
OFFLINE_COMMANDS = frozenset(  # speak to none of the services; send_events speaks to the web server
    {"check", "collectstatic", "diffsettings", "findstatic", "help", "makemigrations", "send_events", "spectacular"}
)
DATABASE_COMMANDS = frozenset({"create_api_key"})  # and all of Django's own


def run(arguments: Sequence[str]) -> None:
    """Run a management command."""
    django.setup()  # before anyone asks for the commands: Django looks for them once
    require_services(needed_services(arguments[1:]))
    try:
        execute_from_command_line(list(arguments))
    except (OperationalError, RedisConnectionError) as error:
        if not is_connection_failure(error):
            raise
        sys.exit(f"{first_line(error)}: is the service up? Start `make run` or `make services`, see also .env")
    except (ProgrammingError, UndefinedTable, UndefinedColumn) as error:
        if not is_missing_migration(error):
            raise
        sys.exit(f"{first_line(error)}: is the database prepared? `manage.py prepare` makes the tables")
    except NotSupportedError as error:  # it was away when the process started
        if not (reason := unsupported_version(error)):
            raise
        sys.exit(reason)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def needed_services(arguments: Sequence[str]) -> Collection[str]:
    """The variables that name what a command connects to."""
    command = arguments[0] if arguments else "help"
    if command in OFFLINE_COMMANDS or command.startswith("-") or "--help" in arguments:
        return ()
    owner = get_commands().get(command, "")
    is_djangos = isinstance(owner, str) and owner.startswith("django.")
    return ("DATABASE_URL",) if is_djangos or command in DATABASE_COMMANDS else SERVICES


def require_services(needed: Collection[str] = SERVICES) -> None:
    """End the process, saying what to do, if one of these variables is not set or names too old a Postgres."""
    missing = [name for name in needed if name in settings.MISSING_SERVICES]
    if missing:
        names = " and ".join(missing)
        sys.exit(f"{names} not set, and no stack is up in this checkout: start `make run`, or set it here or in .env")
    if "DATABASE_URL" in needed and (reason := why_unsupported()):
        sys.exit(reason)


def is_connection_failure(error: Exception) -> bool:
    """True for what never reached a server: libpq's errors have no SQLSTATE then."""
    return getattr(error.__cause__, "sqlstate", None) is None


def is_missing_migration(error: Exception) -> bool:
    """Django's cursors wrap psycopg's error, ours do not."""
    return isinstance(error.__cause__ or error, (UndefinedTable, UndefinedColumn))


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
