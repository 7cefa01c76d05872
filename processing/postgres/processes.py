"""The rows of processes: each writes its own; one that is silent is told from one that ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec

from processing.domain.process import LastError, PartitionLag
from processing.postgres.transaction import Cursor, raw_cursor

SILENT_S = 15  # without a heartbeat
FORGOTTEN_S = 86_400


@dataclass(frozen=True)
class Running:
    """A process as its row has it. `silent_s`: since its last heartbeat; `replaced`: it is silent, and a later one of
    its role has come on its host."""

    id: int
    role: str
    host: str
    pid: int
    version: str
    started_at: datetime
    silent_s: float
    rate: float
    partitions: list[dict[str, Any]]
    error_class: str
    error_place: str
    error_at: datetime | None
    replaced: bool

    @property
    def silent(self) -> bool:
        return self.silent_s > SILENT_S and not self.replaced


def start_process(role: str, host: str, pid: int, version: str) -> int:
    row = (
        raw_cursor()
        .execute(
            """INSERT INTO processing_process (role, host, pid, version, partitions) VALUES (%s, %s, %s, %s, '[]')
               RETURNING id""",
            (role, host, pid, version),
        )
        .fetchone()
    )
    assert row is not None
    return int(row[0])


def heartbeat(id: int, rate: float, partitions: Sequence[PartitionLag], error: LastError | None) -> bool:
    """False: there is no such row any more."""
    cursor = raw_cursor().execute(
        """UPDATE processing_process SET heartbeat_at = clock_timestamp(), rate = %s, partitions = %s::jsonb,
                  error_class = %s, error_place = %s, error_at = %s WHERE id = %s""",
        (
            rate,
            msgspec.json.encode([asdict(each) for each in partitions]).decode(),
            error.cause.error_class if error else "",
            error.cause.place if error else "",
            error.at if error else None,
            id,
        ),
    )
    return cursor.rowcount == 1


def end_process(id: int) -> None:
    raw_cursor().execute(
        "UPDATE processing_process SET ended_at = clock_timestamp(), rate = 0, partitions = '[]' WHERE id = %s", (id,)
    )


def find_processes() -> list[Running]:
    """Those that have not ended, by role and host."""
    cursor = raw_cursor().execute(
        """SELECT p.id, p.role, p.host, p.pid, p.version, p.started_at,
                  extract(epoch FROM clock_timestamp() - p.heartbeat_at)::float AS silent_s, p.rate, p.partitions,
                  p.error_class, p.error_place, p.error_at,
                  p.heartbeat_at < clock_timestamp() - %s * interval '1 second' AND EXISTS (
                    SELECT FROM processing_process n
                    WHERE n.role = p.role AND n.host = p.host AND n.started_at > p.heartbeat_at) AS replaced
           FROM processing_process p WHERE p.ended_at IS NULL ORDER BY p.role, p.host, p.pid""",
        (SILENT_S,),
    )
    return [Running(**each | {"partitions": msgspec.json.decode(each["partitions"])}) for each in dicts(cursor)]


def dicts(cursor: Cursor) -> Iterator[dict[str, Any]]:
    names = [column.name for column in cursor.description or ()]
    return (dict(zip(names, row, strict=True)) for row in cursor)


def forget_processes() -> None:
    """Those that ended, or fell silent, a day ago."""
    raw_cursor().execute(
        "DELETE FROM processing_process WHERE heartbeat_at < clock_timestamp() - %s * interval '1 second'",
        (FORGOTTEN_S,),
    )
