"""Which worker of a parallel run does which tests."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

PIPELINE = "tests/pipeline/"
AT_ONCE = 2


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Files go to whoever is free, each as a whole and in their order; the pipeline's to two workers, while there are
    others for the rest.

    The pipeline's tests start many processes, which wait most of the time: two of them fill two cores, three are slow.

    A class in place of `--dist loadgroup` with marks, which would change the ids of the tests.
    """

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False  # by their numbers of tests, which say nothing of their time
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        wanted = self._is_for_the_pipeline(node)
        next_file = next((file for file in self.workqueue if file.startswith(PIPELINE) == wanted), None)
        if next_file is not None:
            self.workqueue.move_to_end(next_file, last=False)
        super()._assign_work_unit(node)

    def _is_for_the_pipeline(self, node: WorkerController) -> bool:
        at_it = self._at_the_pipeline()
        return node in at_it or len(at_it) < AT_ONCE

    def _at_the_pipeline(self) -> set[WorkerController]:
        """Those that have such tests before them."""
        return {
            node
            for node, files in self.assigned_work.items()
            if any(file.startswith(PIPELINE) and not all(done.values()) for file, done in files.items())
        }


def longest_first(items: list[pytest.Item]) -> None:
    """Have the pipeline's tests, which take longer than all others together, begin at once."""
    items.sort(key=lambda item: not item.nodeid.startswith(PIPELINE))
