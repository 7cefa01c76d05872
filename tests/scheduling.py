"""Which worker of a parallel run does which tests."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

PIPELINE = "tests/pipeline/"
SECOND_HALF = "tests/pipeline/test_m"  # by the alphabet: both halves take about as long


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Files go to whoever is free, each as a whole and in their order. Those of the pipeline are two, of one half each.

    The pipeline's tests start many processes, which wait most of the time: two of them fill two cores, three are slow.

    A class in place of `--dist loadgroup` with marks, which would change the ids of the tests.
    """

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False  # by their numbers of tests, which say nothing of their time
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(PIPELINE):
            return "the pipeline's first half" if nodeid < SECOND_HALF else "the pipeline's second half"
        return nodeid.split("::")[0]


def longest_first(items: list[pytest.Item]) -> None:
    """Have the pipeline's tests, which take longer than all others together, begin at once."""
    items.sort(key=lambda item: not item.nodeid.startswith(PIPELINE))
