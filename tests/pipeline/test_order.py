"""Lanes: what comes early waits, however long the log is; what never comes is passed; a seq is taken once."""

from __future__ import annotations

import pytest

from tests.pipeline.load import lane
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.stack import Stack

pytestmark = pytest.mark.pipeline


def test_a_thousand_events_of_one_user_running_backwards_take_effect_forwards(stack: Stack) -> None:
    sent = lane("backwards", range(1000, 0, -1), family="game")
    places = stack.produce(event.record() for event in sent)
    stack.start("consumer")
    settle_and_check(stack, Expected(sent, places))
