"""Which worker of a parallel run does which tests."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

PIPELINE = "tests/pipeline/"


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Files go to whoever is free, each as a whole and in their order; those of the pipeline are one.

    A class in place of `--dist loadgroup` with marks, which would change the ids of the tests.
    """

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False  # by their numbers of tests, which say nothing of their time
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return PIPELINE if nodeid.startswith(PIPELINE) else nodeid.split("::")[0]


def longest_first(items: list[pytest.Item]) -> None:
    """Have the pipeline's tests, which take longer than all others together, begin at once."""
    items.sort(key=lambda item: not item.nodeid.startswith(PIPELINE))
