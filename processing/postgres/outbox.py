from __future__ import annotations

from collections.abc import Sequence

import orjson

from processing.postgres.transaction import Cursor


def add_to_outbox(cursor: Cursor, ids: Sequence[str]) -> int | None:
    """Name the events whose hot state is to be written after this commit, by us or by a sweep. Returns the row's id."""
    if not ids:
        return None
    cursor.execute(
        "INSERT INTO processing_hotstateoutbox (event_ids) VALUES (%s::text[]) RETURNING id", (_text_array(ids),)
    )
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def _text_array(texts: Sequence[str]) -> str | list[str]:
    """As Postgres writes an array, where JSON writes it alike: for thousands it costs far less than one by one."""
    text = orjson.dumps(texts).decode()
    return list(texts) if "\\" in text else f"{{{text[1:-1]}}}"
