"""The folder through which the web workers of one server add up their metrics."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

BYTES_OF_A_WORKER = 256 * 1024  # a file of 64 KiB for each kind of metric, which prometheus_client maps into memory


@contextmanager
def shared_metrics(workers: int) -> Iterator[None]:
    """Name a temporary folder in PROMETHEUS_MULTIPROC_DIR, unless there is one worker alone, who needs none.

    Ends the process where there is no room for it: a worker would die of SIGBUS when it writes to a full TMPDIR.
    """
    if workers == 1:
        yield
        return
    needed = workers * BYTES_OF_A_WORKER
    try:
        folder = tempfile.TemporaryDirectory(prefix="eventsite-metrics-")
    except OSError as error:
        sys.exit(f"WEB_WORKERS={workers}: no temporary folder for the workers' metrics, {error}: {_remedy(needed)}")
    with folder:
        free = shutil.disk_usage(folder.name).free
        if free < needed:
            reason = f"{tempfile.gettempdir()} has {free // 1024} KiB free for the workers' metrics"
            sys.exit(f"WEB_WORKERS={workers}: {reason}: {_remedy(needed)}")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder.name
        yield


def _remedy(needed: int) -> str:
    return f"set TMPDIR to a writable folder with {needed // 1024} KiB, or WEB_WORKERS=1"
