"""Long lists as parameters: a text of the whole costs a hundredth of what psycopg takes for its items."""

from __future__ import annotations

from collections.abc import Sequence

import orjson


def text_array(texts: Sequence[str]) -> str | list[str]:
    """The array as Postgres writes it, where JSON looks the same; else a list. The statement casts it to text[]."""
    text = orjson.dumps(texts).decode()
    return list(texts) if "\\" in text else f"{{{text[1:-1]}}}"
