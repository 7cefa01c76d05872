"""How many live pages a process serves at a time."""

from __future__ import annotations

from processing.admin.live import GONE_S, Watchers


def test_so_many_at_a_time_and_the_next_when_one_has_gone() -> None:
    watchers = Watchers(2)
    assert watchers.admit("a", 0.0)
    assert watchers.admit("b", 1.0)
    assert not watchers.admit("c", 2.0)
    assert watchers.admit("a", 3.0)
    assert not watchers.admit("c", 0.9 + GONE_S)
    assert watchers.admit("c", 1.0 + GONE_S)
    assert not watchers.admit("b", 1.0 + GONE_S)
