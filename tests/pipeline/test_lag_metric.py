"""The group's lag as a metric: true while nobody posts, or nobody ever has."""

from __future__ import annotations

import re

import pytest

from tests.pipeline.http_client import ask
from tests.pipeline.log import Record
from tests.pipeline.stack import Stack
from tests.pipeline.test_slow_clients import start

pytestmark = pytest.mark.pipeline


def test_the_lag_is_told_while_nobody_posts(stack: Stack) -> None:
    port = start(stack)

    def lag() -> float:
        found = re.search(r"^door_group_lag ([0-9.]+)$", ask(port, "/metrics").body.decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    stack.produce(Record(b"u", b"{}") for _ in range(100))
    stack.produce([Record(b"u", b"{}")])  # the embedded broker tells where the last batch begins, not where it ends
    stack.wait_until(lambda: lag() >= 100, "the lag is told")
    stack.produce(Record(b"u", b"{}") for _ in range(100))
    stack.produce([Record(b"u", b"{}")])
    stack.wait_until(lambda: lag() >= 200, "it goes on")
    consumer = stack.start("consumer")
    stack.wait_until(lambda: lag() <= 1, "it falls")
    assert consumer.is_running()
