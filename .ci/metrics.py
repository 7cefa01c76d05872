"""Write docs/metrics.md's table from the code; `--check` only compares, and ends with status 1 if they differ."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
MARK = "<!-- written by .ci/metrics.py -->\n"
TOLD_BY = {"processing_": "consumer, worker", "door_": "web"}  # what a process keeps of itself; else: the library's own


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    head, mark, _ = text.partition(MARK)
    wanted = head + mark + "".join(f"{line}\n" for line in table())
    if "--check" in sys.argv[1:]:
        if text != wanted:
            print(f"{PAGE.name} is not what the code says: run .venv/bin/python .ci/metrics.py")
        return int(text != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


def table() -> Iterator[str]:
    os.environ.update(DEBUG="1", IGNORE_ENV_FILES="1", DJANGO_SETTINGS_MODULE="eventsite.settings")
    sys.path.insert(0, str(PAGE.parent.parent))
    import django

    django.setup()
    from prometheus_client import REGISTRY

    from ingest.health.views import of_the_site
    from processing.metrics import LagGauges

    rows = [row for each in list(REGISTRY._collector_to_names) for row in described(each)]
    rows += described(LagGauges(lambda: ()), "consumer")
    rows += [row for each in list(of_the_site()._collector_to_names) for row in described(each, "web, of the site")]
    yield "| metric | type | labels | told by | what it is |"
    yield "|---|---|---|---|---|"
    yield from sorted(rows)


def described(collector: Any, by: str = "") -> list[str]:
    """A row for each metric of ours."""
    rows = []
    for family in collector.describe() if hasattr(collector, "describe") else ():
        told_by = by or next((by for prefix, by in TOLD_BY.items() if family.name.startswith(prefix)), "")
        if told_by:
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(
                f"`{each}`" for each in getattr(collector, "_labelnames", None) or getattr(family, "_labelnames", ())
            )
            rows.append(f"| `{name}` | {family.type} | {labels} | {told_by} | {family.documentation} |")
    return rows


if __name__ == "__main__":
    sys.exit(main())
