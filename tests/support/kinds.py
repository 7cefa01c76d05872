"""Kinds of event that are set aside, as an operator and a worker see them; by default the type of `flaky` events."""

from __future__ import annotations

from processing.background.kinds import tend_kinds
from processing.operators import kinds as operators
from processing.postgres import kinds
from tests.support.batches import column

TYPE = "flaky/t"


def pause(kind: str = TYPE) -> None:
    operators.pause(kind, actor="ada")


def resume(kind: str = TYPE) -> None:
    operators.resume(kind, actor="ada")


def states() -> dict[str, str]:
    return {row.name: row.state.value for row in kinds.find_kinds()}


def took_effect() -> list[str]:
    return column("SELECT event_id FROM game_events ORDER BY id")


def drain_all() -> None:
    while states() != {}:
        tend_kinds()
