"""Each file that a page names is there: links to other pages, paths of the code. Ends with status 1 if one is not."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = "processing|ingest|revenue|eventsite|tests|bench|interop|docs"
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")  # not to other sites
READERS_OWN_PAGES = {"docs/add-your-own-event.md"}  # the paths there are of the reader's own app
READERS_OWN_PATHS = {"ingest/migrations/0005_product_events_v3.py"}  # written in an exercise


def main() -> None:
    root = Path(__file__).resolve().parent.parent
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=root, capture_output=True, text=True, check=True).stdout
    missing = [line for name in listed.splitlines() if (root / name).is_file() for line in find_missing(root, name)]
    sys.exit("\n".join(missing) or 0)


def find_missing(root: Path, page: str) -> Iterator[str]:
    """A line for each path in the page that is no file or folder."""
    text = (root / page).read_text(encoding="utf-8")
    for path in () if page in READERS_OWN_PAGES else PATH.findall(text):
        if path not in READERS_OWN_PATHS and not (root / path).exists():
            yield f"{page}: `{path}` is not there"
    for link in LINK.findall(text):
        if not (root / page).parent.joinpath(link).exists():
            yield f"{page}: the link to {link} leads nowhere"


if __name__ == "__main__":
    main()
