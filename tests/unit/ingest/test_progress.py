"""Without a terminal a line tells how far it is, again and again."""

from __future__ import annotations

import threading

import pytest

from ingest.files import progress


def test_lines_tell_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()

    class Lines:
        text = ""

        def write(self, text: str) -> int:
            self.text += text
            if "50%" in self.text:
                told.set()
            return len(text)

        def flush(self) -> None: ...

        def isatty(self) -> bool:
            return False

    lines = Lines()
    monkeypatch.setattr("sys.stderr", lines)
    with progress.progress_bar(2_000, "moves.jsonl", every_s=0.01) as bar:
        bar.update(1_000)
        assert told.wait(10)
    assert lines.text.startswith("moves.jsonl:") and "\r" not in lines.text
