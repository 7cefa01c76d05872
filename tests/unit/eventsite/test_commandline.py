"""What the operator sees when a command ends before its time."""

from __future__ import annotations

import pytest
from django.db import NotSupportedError, ProgrammingError
from psycopg.errors import FeatureNotSupported, SyntaxError, UndefinedTable

from eventsite import commandline


def run(monkeypatch: pytest.MonkeyPatch, error: BaseException, cause: BaseException | None = None) -> None:
    def failing(arguments: list[str]) -> None:
        raise error from cause

    monkeypatch.setattr(commandline, "execute_from_command_line", failing)
    commandline.run(["manage.py", "check"])


def test_ctrl_c_ends_a_command_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, KeyboardInterrupt())
    assert end.value.code == 130


@pytest.mark.parametrize("by_django", [False, True])
def test_a_database_without_tables_is_to_be_prepared(monkeypatch: pytest.MonkeyPatch, by_django: bool) -> None:
    error = UndefinedTable('relation "inbox" does not exist\nLINE 1: …')
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, *((ProgrammingError(*error.args), error) if by_django else (error,)))
    assert str(end.value.code).startswith('relation "inbox" does not exist: is the database prepared?')


def test_a_server_that_is_too_old_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"^PostgreSQL 14 or later is required \(found 13.22\): DATABASE_URL is to "):
        run(monkeypatch, NotSupportedError("PostgreSQL 14 or later is required (found 13.22)."))


def test_what_a_server_does_not_support_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotSupportedError):
        run(monkeypatch, NotSupportedError("cannot do"), FeatureNotSupported("cannot do"))


def test_any_other_error_of_a_statement_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProgrammingError):
        run(monkeypatch, ProgrammingError("syntax error"), SyntaxError("syntax error"))
