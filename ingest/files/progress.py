"""How far a file is: a bar on a terminal, elsewhere a line every few seconds, so that nobody takes it for hung."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

EVERY_S = 5.0


@contextmanager
def progress_bar(size: int, name: str, every_s: float = EVERY_S) -> Iterator[Any]:
    """`size` in bytes."""
    options: dict[str, Any] = {"total": size, "unit": "B", "unit_scale": True, "desc": name}
    if sys.stderr.isatty():
        with tqdm(**options) as bar:
            yield bar
        return
    ended = threading.Event()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, tqdm(**options, file=nowhere, ascii=True) as bar:
        teller = threading.Thread(target=_tell, args=(bar, ended, every_s), name="progress", daemon=True)
        teller.start()
        try:
            yield bar
        finally:
            ended.set()
            teller.join()


def _tell(bar: Any, ended: threading.Event, every_s: float) -> None:
    while not ended.wait(every_s):
        print(bar, file=sys.stderr, flush=True)
