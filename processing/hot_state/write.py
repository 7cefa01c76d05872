"""The hot state: what Redis holds of the events, a view of Postgres. The one module of `processing` that writes Redis.

Every write can be repeated, and come late: versions keep it from undoing newer ones, and where a key that would tell is
gone, the rows are looked at again after the write. Each Lua script has one function here, of its name, that builds its
arguments and runs it; a test compares their order on both sides. A script without flags is refused whole by a full
Redis: without its first line, one that begins by deleting would be let through.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import msgspec
from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis
from redis.commands.core import Script

from processing.domain.envelope import Event
from processing.domain.lua_arguments import pack
from processing.domain.outcomes import HotStateUpdate, OrderChange
from processing.domain.statuses import FINAL, Status
from processing.metrics import REDIS_SECONDS
from processing.postgres.dead_letters import open_ids
from processing.postgres.hot_rows import event_versions, hot_rows, order_lists, order_versions
from processing.postgres.outbox import delete_from_outbox

INFLIGHT_TTL_S = 30
RETRACTED = "retracted"
LEFT_OUT = "left out"  # HOT_STATE leaves out what is final in this way
GONE_VERSION = 2**53 - 1  # of a deleted row: newer than any
CALL_EVENTS = 500
REBUILD_SEQS = 500_000  # in one call at most
LETTERS_AT_ONCE = 50_000
STAGE_TTL_S = 60  # of the parts of a list that is put back
LATE_S = 2.0  # no other process takes a batch over, and goes on with its lanes, within so short a time

Field = str | int | bytes


class Refreshed(msgspec.Struct, frozen=True, gc=False):
    """An event's hot state as its row has it, in the order of the script's arguments. Retracted by default: not final,
    or no longer, since it was replayed or became the event that its bytes carry. A retrying one is marked as well."""

    id: str
    version: int
    status: str = RETRACTED
    at: int = 0  # when it became final, Unix ms
    attempts: int = 0
    user_id: str = ""
    type: str = ""
    seq: Field = ""
    error: str = ""
    letter: str = "closed"  # or open, or "": it never was a dead letter


def is_on() -> bool:
    """Whether Redis holds anything of the events."""
    return bool(settings.HOT_STATE != "off")


def _has_processed() -> bool:
    """Whether it holds those that were processed too, and their order lists."""
    return bool(settings.HOT_STATE == "all")


def mark_in_flight(ids: Sequence[str]) -> None:
    """Mark events as in flight, but those that are final in Redis. Whoever marks them writes their hot state later,
    which takes the marks back. Raises `redis.RedisError`.
    """
    for start in range(0, len(ids) if is_on() else 0, CALL_EVENTS):
        _mark_in_flight(ids[start : start + CALL_EVENTS])


def require_writable() -> None:
    """Raises `redis.RedisError` when Redis would refuse a write: full, read-only, or away. Writes nothing."""
    _mark_in_flight([])


def _mark_in_flight(ids: Sequence[str]) -> None:
    _run("mark_in_flight", [INFLIGHT_TTL_S, *ids])


@REDIS_SECONDS.time()
def write_hot_state(update: HotStateUpdate, *, are_listed: bool = False) -> None:
    """Write what follows a transaction, and drop its row of the outbox. Raises `redis.RedisError`.

    Others may have written between the reading of the rows and this write; if so, it is made again from newer rows.
    `are_listed`: the events to refresh were found in the list of dead letters; those that are none leave it.
    """
    if _has_processed():
        _write_all(update, are_listed)
    elif is_on():
        _take_marks_back([event.id for event in update.arrived])
        _write_all(HotStateUpdate(refresh=update.refresh), are_listed)
    if update.outbox_id is not None:
        delete_from_outbox(update.outbox_id)


def _write_all(update: HotStateUpdate, are_listed: bool) -> None:
    if not update:
        return
    rows, orders = _refreshed(update.refresh, {order.user_id for order in update.orders}, are_listed)
    *parts, last = _parts(update.arrived)
    for part in parts:
        _write(update, part)
    rebuild_order_lists(_write_with_list(update, last, rows, [*update.orders, *orders]))
    while changed := _changed(rows):
        rows, orders = _refreshed(changed, (), are_listed)
        rebuild_order_lists(_write_with_list(update, (), rows, orders))
    if time.monotonic() - update.made_at > LATE_S:
        _check_order_lists({order.user_id: order.after for order in update.orders if order.before == 0})


def _take_marks_back(ids: Sequence[str]) -> None:
    """Of events that have no other key: what the door refused under their ids came before them."""
    for start in range(0, len(ids), CALL_EVENTS):
        part = ids[start : start + CALL_EVENTS]
        _redis().delete(*[f"{kind}:{id}" for id in part for kind in ("inflight", "event")])


def drop(ids: Sequence[str]) -> None:
    """Delete all keys of these events, and their places in the list of dead letters."""
    _write(HotStateUpdate(), (), [Refreshed(id, GONE_VERSION, LEFT_OUT) for id in ids])


def drop_order_lists(users: Sequence[str]) -> None:
    _redis().delete(*[f"{kind}:{user}" for user in users for kind in ("order", "order-version")])


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


def _write_with_list(
    update: HotStateUpdate,
    arrived: Sequence[Event],
    rows: Sequence[Refreshed],
    orders: Sequence[OrderChange],
) -> Sequence[str]:
    """As `_write`; a list of dead letters that is gone is put back before it is changed."""
    needs_list = any(row.letter for row in rows)
    while (users := _write(update, arrived, rows, orders, needs_list=needs_list)) is None:
        needs_list = put_dead_letters_back({row.id for row in rows})  # without others, this write begins the list
    return users


def _write(
    update: HotStateUpdate,
    arrived: Sequence[Event],
    refreshed: Sequence[Refreshed] = (),
    orders: Sequence[OrderChange] = (),
    *,
    needs_list: bool = False,
) -> list[str] | None:
    """Write so much of the update; returns the users whose order lists have to be built anew.

    None: `needs_list`, and the list of dead letters is gone; nothing is written.
    """
    at = 0 if update.at is None else _ms(update.at)
    arguments: list[Field] = [settings.HOT_STATE_TTL_S, INFLIGHT_TTL_S, settings.ORDER_LIST_MAX]
    arguments += (at, int(needs_list), len(arrived))
    arguments += [field for e in arrived for field in (e.id, e.user_id, e.type, "" if e.seq is None else e.seq)]
    arguments.append(len(refreshed))
    for row in refreshed:
        arguments += msgspec.structs.astuple(row)
    for order in orders:
        before = "" if order.before is None else order.before
        arguments += (order.user_id, before, order.after, len(order.seqs), *order.seqs)
    users = _run("write", arguments)
    return None if users is None else [user.decode() for user in users]


def _changed(rows: Sequence[Refreshed]) -> list[str]:
    """Events whose rows are no longer as they were read. Only a processed one stays as it is."""
    read = {row.id: row.version for row in rows if row.status not in (Status.PROCESSED, LEFT_OUT)}
    now = event_versions(read) if read else {}
    return [id for id, version in read.items() if now.get(id, GONE_VERSION) != version]


def rebuild_order_lists(users: Sequence[str]) -> None:
    """Put the order lists of these users back, whole, from Postgres."""
    step = max(1, REBUILD_SEQS // settings.ORDER_LIST_MAX)
    for start in range(0, len(users), step):
        lists = order_lists(users[start : start + step], settings.ORDER_LIST_MAX)
        _put_order_lists(lists)
        _check_order_lists({user: version for user, version, _ in lists})


def _check_order_lists(written: Mapping[str, int]) -> None:
    """Put those lists back whose lane has moved on, as (user, order version): the write may have undone a newer one."""
    now = order_versions(written) if written else {}
    rebuild_order_lists([user for user, version in written.items() if now.get(user, version) != version])


def _put_order_lists(lists: Sequence[tuple[str, int, Sequence[int]]]) -> None:
    """As (user, order version, seqs)."""
    arguments: list[Field] = [settings.HOT_STATE_TTL_S]
    for user, version, seqs in lists:
        arguments += (user, version, len(seqs), *seqs)
    _run("put_order_lists", arguments)


def put_dead_letters_back(without: Collection[str] = ()) -> bool:
    """Put the list of dead letters back from Postgres, unless it is there; `without`: these are left out.

    Returns whether it is there then: without other dead letters it is not, nor where HOT_STATE is off.
    """
    while is_on() and (ids := [id for id in open_ids() if id not in without]):
        stage = f"dead-letters:{uuid4().hex}"
        starts = range(0, len(ids), LETTERS_AT_ONCE)
        if all(_put_dead_letters(stage, start, ids) for start in starts):
            return True
    return False


def _put_dead_letters(stage: str, start: int, ids: Sequence[str]) -> bool:
    """The part that begins at `start`. False: the parts before it are gone."""
    part = ids[start : start + LETTERS_AT_ONCE]
    is_last = int(start + len(part) == len(ids))
    head = (settings.HOT_STATE_TTL_S, stage, STAGE_TTL_S, start, is_last, len(part))
    return bool(_run("put_dead_letters", [*head, *part]))


def has_dead_letter_list() -> bool:
    """Whether the list is there. Without dead letters there is none."""
    return bool(_redis().exists("dlq:list"))


def listed_dead_letters(rows: int) -> Iterator[list[str]]:
    """The ids in the list of dead letters, `rows` at a time, from its end: a removed id moves those behind it."""
    end = _redis().llen("dlq:list")
    while end > 0:
        start = max(0, end - rows)
        yield [id.decode() for id in cast(list[bytes], _redis().lrange("dlq:list", start, end - 1))]
        end = start


def _refreshed(
    ids: Sequence[str], known: Collection[str], are_listed: bool
) -> tuple[list[Refreshed], list[OrderChange]]:
    """The hot state of these events as their rows have it now, and order lists to check, of users not in `known`.

    In the order of `ids`: that is the order in which dead letters join their list.
    """
    if not ids:
        return [], []
    rows: list[Refreshed] = []
    orders: dict[str, OrderChange] = {}
    missing = set(ids)
    for row in hot_rows(ids):
        missing.discard(row.id)
        letter = "open" if row.is_dead else "closed" if row.was_dead or are_listed else ""
        if row.status == Status.PROCESSED and not _has_processed():
            rows.append(Refreshed(row.id, row.version, LEFT_OUT, letter=letter))
        elif row.status in FINAL:
            at = 0 if row.final_at is None else _ms(row.final_at)
            seq, error = "" if row.seq is None else row.seq, row.error or ""
            event = (row.id, row.version, row.status, at, row.attempts, row.user_id, row.type, seq, error, letter)
            rows.append(Refreshed(*event))
        else:
            status = row.status if row.status == Status.RETRYING else RETRACTED
            rows.append(Refreshed(row.id, row.version, status, letter=letter))
        is_listed = row.status == Status.PROCESSED and _has_processed() and row.user_id not in known
        if is_listed and row.order_version is not None:
            orders[row.user_id] = OrderChange(row.user_id, None, row.order_version, [])
    rows += [Refreshed(id, GONE_VERSION) for id in sorted(missing)]
    return rows, list(orders.values())


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _run(name: str, arguments: Sequence[Field]) -> Any:
    return _script(name)(args=[pack(arguments)], client=_redis())


@cache
def _script(name: str) -> Script:
    return Script(_redis(), (Path(__file__).parent / "lua" / f"{name}.lua").read_bytes())


def _redis() -> Redis:
    return cast(Redis, get_redis_connection(settings.EVENTS_CACHE))
