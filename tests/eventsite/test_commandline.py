"""What the operator sees when a command ends before its time."""

from __future__ import annotations

import pytest

from eventsite import commandline


def test_ctrl_c_ends_a_command_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commandline, "execute_from_command_line", interrupted)
    with pytest.raises(SystemExit) as end:
        commandline.run(["manage.py", "check"])
    assert end.value.code == 130
