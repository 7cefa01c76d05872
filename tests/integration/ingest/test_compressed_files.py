"""A compressed file is the same file: by both commands, whatever it was first."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from django.core.management import CommandError

from tests.integration.ingest.test_send_events import send
from tests.paths import MOVES
from tests.support.applied_files import process, process_badly

BROKEN = "the file is broken, it cannot be decompressed after line"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("door", "hinted")]


@pytest.fixture
def moves(tmp_path: Path) -> dict[str, Path]:
    """The moves, without ids of their own, by the file's suffix."""
    text = MOVES.read_bytes()
    paths = {suffix: tmp_path / f"moves.jsonl{suffix}" for suffix in ("", ".gz", ".zst")}
    for path, content in zip(paths.values(), (text, gzip.compress(text), zstd.compress(text)), strict=True):
        path.write_bytes(content)
    return paths


def test_it_is_sent_once_whatever_it_comes_as(live_server: Any, settings: Any, moves: dict[str, Path]) -> None:
    settings.RATE_LIMIT_PER_USER = 0
    assert send(live_server, moves[".gz"]) == "519 accepted, 0 already known, 0 refused"
    for suffix in ("", ".zst"):
        assert send(live_server, moves[suffix]) == "0 accepted, 519 already known, 0 refused"


def test_it_is_applied_once_whatever_it_comes_as(moves: dict[str, Path]) -> None:
    assert process(moves[".zst"]) == "519 applied, 0 already known, 0 refused"
    for suffix in ("", ".gz"):
        assert process(moves[suffix]) == "0 applied, 519 already known, 0 refused"


def test_a_file_that_was_cut_off_says_so_and_goes_on_once_it_is_whole(
    live_server: Any, settings: Any, moves: dict[str, Path]
) -> None:
    settings.RATE_LIMIT_PER_USER = 0
    whole = moves[".gz"].read_bytes()
    moves[".gz"].write_bytes(whole[:-1_000])
    with pytest.raises(CommandError, match=BROKEN):
        send(live_server, moves[".gz"])
    process_badly(moves[".gz"], BROKEN)
    moves[".gz"].write_bytes(whole)
    sent = send(live_server, moves[".gz"])
    assert sum(int(part.split()[0]) for part in sent.split(", ")) == 519 and sent.endswith(" 0 refused")
    assert process(moves[".gz"]).endswith(" 0 refused")
