"""The hot state: what Redis holds of the events, a view of Postgres. The one module of `processing` that writes Redis.

Every write can be repeated, and come late: versions keep it from undoing newer ones. Each Lua script has one function
here, of its name, that builds its arguments and runs it; a test compares their order on both sides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import msgspec
import structlog
from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis, RedisError
from redis.commands.core import Script

from processing.domain.envelope import Event
from processing.domain.outcomes import HotStateUpdate, OrderChange
from processing.domain.statuses import FINAL, Status
from processing.postgres.hot_rows import hot_rows, order_lists
from processing.postgres.outbox import delete_from_outbox

INFLIGHT_TTL_S = 30
BATCH_MARK = "1"  # of a batch's events: `write` clears it, whichever process set it
RETRACTED = "retracted"
GONE_VERSION = 2**53 - 1  # of a deleted row: newer than any
CALL_EVENTS = 500
REBUILD_SEQS = 500_000  # in one call at most; Redis takes about a million arguments

Field = str | int | bytes


class Refreshed(msgspec.Struct, frozen=True, gc=False):
    """An event's hot state as its row has it, in the order of the script's arguments. Retracted by default: final no
    more, since it was replayed or turned into the event that its bytes carry."""

    id: str
    version: int
    status: str = RETRACTED
    at: int = 0  # when it became final, Unix ms
    attempts: int = 0
    user_id: str = ""
    type: str = ""
    seq: Field = ""
    error: str = ""
    is_dead: int = 0


log = structlog.get_logger(__name__)


def mark_in_flight(ids: Sequence[str], whose: str = BATCH_MARK) -> None:
    """Mark events as in flight; a mark that is not a batch's skips those that are final in Redis.

    Raises `redis.RedisError`.
    """
    if ids:
        _run("mark_in_flight", [INFLIGHT_TTL_S, whose, *ids])


@contextmanager
def marked(ids: Sequence[str]) -> Iterator[None]:
    """Mark events as in flight during the block, however it ends. Raises `redis.RedisError` at its start.

    `write` clears the marks of events that the block made final or tried. The other marks are cleared here, since they
    would outlive their events: another process made these final meanwhile, or they are not due. A mark that another
    process has set meanwhile stays.
    """
    whose = uuid4().hex
    try:
        mark_in_flight(ids, whose)  # may have been done although no answer came
        yield
    finally:
        try:
            _unmark(ids, whose)
        except RedisError as error:
            log.warning("Redis is away; marks of events in flight stay until they expire", error=str(error))


def _unmark(ids: Sequence[str], whose: str) -> None:
    if ids:
        _run("unmark", [whose, *ids])


def write_hot_state(update: HotStateUpdate) -> None:
    """Write what follows a transaction, and drop its row of the outbox. Raises `redis.RedisError`."""
    rows, orders = _refreshed(update.refresh, known={order.user_id for order in update.orders})
    *parts, last = _parts(update.arrived)
    for part in parts:
        _write(update, part)
    written = {event.id for event in update.arrived}
    idle = [id for id in update.in_flight if id not in written] if len(written) < len(update.in_flight) else []
    rebuild_order_lists(_write(update, last, rows, idle, [*update.orders, *orders]))
    if update.outbox_id is not None:
        delete_from_outbox(update.outbox_id)


def _parts(arrived: Sequence[Event]) -> list[Sequence[Event]]:
    """Parts of at most CALL_EVENTS events, so that a call holds up other clients of Redis for a short time only.

    Events with a seq go in the last part, with the order lists that they belong to.
    """
    if len(arrived) <= CALL_EVENTS:
        return [arrived]
    loose = [event for event in arrived if event.seq is None]
    whole = len(loose) - len(loose) % CALL_EVENTS
    parts: list[Sequence[Event]] = [loose[start : start + CALL_EVENTS] for start in range(0, whole, CALL_EVENTS)]
    return [*parts, [*loose[whole:], *(event for event in arrived if event.seq is not None)]]


def _write(
    update: HotStateUpdate,
    arrived: Sequence[Event],
    refreshed: Sequence[Refreshed] = (),
    idle: Sequence[str] = (),
    orders: Sequence[OrderChange] = (),
) -> list[str]:
    """Write so much of the update; returns the users whose order lists have to be built anew."""
    arguments: list[Field] = [settings.HOT_STATE_TTL_S, settings.ORDER_LIST_MAX]
    arguments += (_ms(update.at), int(bool(update.in_flight)), len(arrived))
    for event in arrived:
        arguments += (event.id, event.user_id, event.type, "" if event.seq is None else event.seq)
    arguments.append(len(refreshed))
    for row in refreshed:
        arguments += msgspec.structs.astuple(row)
    arguments += (len(idle), *idle)
    for order in orders:
        before = "" if order.before is None else order.before
        arguments += (order.user_id, before, order.after, len(order.seqs), *order.seqs)
    return [user.decode() for user in _run("write", arguments)]


def rebuild_order_lists(users: Sequence[str]) -> None:
    """Put the order lists of these users back, whole, from Postgres."""
    step = max(1, REBUILD_SEQS // settings.ORDER_LIST_MAX)
    for start in range(0, len(users), step):
        _put_order_lists(order_lists(users[start : start + step], settings.ORDER_LIST_MAX))


def _put_order_lists(lists: Sequence[tuple[str, int, Sequence[int]]]) -> None:
    """As (user, order version, seqs)."""
    arguments: list[Field] = [settings.HOT_STATE_TTL_S]
    for user, version, seqs in lists:
        arguments += (user, version, len(seqs), *seqs)
    _run("put_order_lists", arguments)


def listed_dead_letters(rows: int) -> Iterator[list[str]]:
    """The ids in the list of dead letters, `rows` at a time, from its end: a removed id moves those behind it."""
    end = _redis().llen("dlq:list")
    while end > 0:
        start = max(0, end - rows)
        yield [id.decode() for id in cast(list[bytes], _redis().lrange("dlq:list", start, end - 1))]
        end = start


def _refreshed(ids: Sequence[str], known: Collection[str]) -> tuple[list[Refreshed], list[OrderChange]]:
    """The hot state of these events as their rows have it now, and order lists to check, of users not in `known`.

    In the order of `ids`: that is the order in which dead letters join their list.
    """
    if not ids:
        return [], []
    rows: list[Refreshed] = []
    orders: dict[str, OrderChange] = {}
    missing = set(ids)
    for id, version, status, final_at, attempts, user, kind, seq, error, dead, replayed, order_version in hot_rows(ids):
        missing.discard(id)
        if status in FINAL:
            at = 0 if final_at is None else _ms(final_at)
            place = "" if seq is None else seq
            rows.append(Refreshed(id, version, status, at, attempts, user, kind, place, error or "", int(dead)))
        elif replayed:
            rows.append(Refreshed(id, version))
        if order_version is not None and status == Status.PROCESSED and user not in known:
            orders[user] = OrderChange(user, None, order_version, [])
    rows += [Refreshed(id, GONE_VERSION) for id in sorted(missing)]
    return rows, list(orders.values())


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _run(name: str, arguments: Sequence[Field]) -> Any:
    return _script(name)(args=arguments, client=_redis())


@cache
def _script(name: str) -> Script:
    return Script(_redis(), (Path(__file__).parent / "lua" / f"{name}.lua").read_bytes())


def _redis() -> Redis:
    client: Redis = get_redis_connection("default")
    return client
