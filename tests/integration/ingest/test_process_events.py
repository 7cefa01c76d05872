"""`manage.py process_events` on real services."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import CommandError
from django.db import connection
from pytest_django.fixtures import Settings
from redis import Redis

from ingest.files import lines as lines_of_files
from ingest.files.apply import hot_state_writer
from ingest.files.send.lines import Line, read_lines
from processing.background import import_gaps, sweeper
from processing.engine import release
from processing.models import HotStateOutbox, ImportRun, InboxEvent, Lane
from tests.paths import MOVES
from tests.support.applied_files import PLAIN, numbered, process, process_badly
from tests.support.batches import applied, column, retry_all, store, value
from tests.support.replays import replay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "hinted")]


def everything() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i::text FROM processing_inboxevent i UNION ALL SELECT g::text FROM game_events g ORDER BY 1"
        )
        return list(cursor.fetchall())


def told(capsys: pytest.CaptureFixture[str]) -> dict[int, str]:
    """The lines that could not be used, with the reason."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("line ")]
    return {int(line.split(":")[0].removeprefix("line ")): line.split(": ", 1)[1] for line in lines}


def test_a_file_applied_twice_counts_once_and_the_second_time_changes_nothing(redis: Redis) -> None:
    assert process(MOVES) == "519 applied, 0 already known, 0 refused"
    before = everything()
    assert process(MOVES) == "0 applied, 519 already known, 0 refused"
    assert everything() == before
    for user in column("SELECT DISTINCT player_id FROM game_events"):
        assert applied(user) == sorted(applied(user), key=lambda seq: seq or 0)
        assert [int(seq) for seq in redis.lrange(f"order:{user}", 0, -1)] == applied(user)
    assert redis.hget(f"event:{column('SELECT min(id) FROM processing_inboxevent')[0]}", "status") == b"processed"
    assert not HotStateOutbox.objects.exists()
    assert redis.keys("inflight:*") == []


def test_the_ids_are_those_that_send_events_gives(file: Callable[..., Path]) -> None:
    move = {"eventType": "move", "playerId": "p", "timestamp": 1_790_000_000_000, "data": {}}
    inner = {**PLAIN, "payload": {"eventId": "further inside"}}
    path = file(PLAIN, move, {**PLAIN, "eventId": None}, b" " + orjson.dumps(PLAIN) + b"\r", inner, inner, move)
    with path.open("rb") as lines:
        sent = [each.event["eventId"] for each in read_lines(lines, path.name, None, 1_000) if isinstance(each, Line)]
    assert len(set(sent)) == 7
    assert process(path) == "7 applied, 0 already known, 0 refused"
    assert sorted(column("SELECT id FROM processing_inboxevent")) == sorted(sent)


def test_half_a_file_and_then_the_whole(file: Callable[..., Path]) -> None:
    assert process(file(PLAIN, PLAIN)) == "2 applied, 0 already known, 0 refused"
    assert process(file(*[PLAIN] * 4)) == "2 applied, 2 already known, 0 refused"
    assert process(file(PLAIN, name="copy.jsonl"), source="lines.jsonl") == "0 applied, 1 already known, 0 refused"
    assert process(file(PLAIN, name="another.jsonl")) == "1 applied, 0 already known, 0 refused"


def test_lines_that_cannot_be_used_are_told_and_the_others_go_on(
    file: Callable[..., Path], capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.BODY_MAX_BYTES = 400_000
    settings.EVENT_MAX_BYTES = 1_000
    move = {"eventType": "move", "playerId": "p", "timestamp": 1_790_000_000_000, "data": {}}
    path = file(
        b"\xef\xbb\xbf" + orjson.dumps(PLAIN),
        b"",
        b"broken in the mid",
        orjson.dumps(PLAIN) + b"\r",
        b'{"userId": "\xff", "type": "t"}',
        {**PLAIN, "what": 1},
        {**move, "data": {}, "what": 1},
        {**move, "gameId": 1},
        {"userId": "u", "text": "x" * 10_000_000},
        {**PLAIN, "payload": {"text": "x" * 2_000}},
        {**PLAIN, "payload": {"seq": 0}},
        {**PLAIN, "family": "nobody's"},
        {**move, "timestamp": "in the year 10000"},
        b"   ",
        PLAIN,
        {**PLAIN, "userId": None},
        {**PLAIN, "price": None},
        {**PLAIN, "idempotencyKey": "k"},
        {**PLAIN, "timestamp": None, "payload": None, "eventId": None, "family": None},
    )
    assert process_badly(path, "could not use 13 of the lines") == "4 applied, 0 already known, 13 refused"
    reasons = told(capsys)
    assert sorted(reasons) == [3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 18]
    assert reasons[5].startswith("is not valid UTF-8")
    assert reasons[6] == "what: is not a known member"
    assert reasons[7] == "what: is not a known member"
    assert reasons[8].startswith("gameId: ")
    assert reasons[9] == "is longer than 400000 bytes"
    assert reasons[10].endswith("at most 1000 are allowed")
    assert reasons[11].startswith("payload.seq: ")
    assert reasons[13].startswith("timestamp: ")
    assert reasons[16].startswith("userId: ")
    assert reasons[17] == "price: is not a known member"
    assert reasons[18].startswith("idempotencyKey: ")


def test_a_byte_order_mark_is_no_part_of_the_first_line(file: Callable[..., Path]) -> None:
    process(file(PLAIN))
    assert process(file(b"\xef\xbb\xbf" + orjson.dumps(PLAIN))) == "0 applied, 1 already known, 0 refused"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        process(tmp_path / "nothing.jsonl")


def test_a_lane_goes_over_from_kafka_to_a_file_and_back(file: Callable[..., Path], redis: Redis) -> None:
    store(value("k1", seq=1), value("k4", seq=4))
    assert process(file(*[numbered(seq) for seq in (3, 2, 6)])) == "2 applied, 0 already known, 1 held, 0 refused"
    assert applied() == [1, 2, 3, 4]
    store(value("k5", seq=5))
    assert applied() == [1, 2, 3, 4, 5, 6]
    assert redis.lrange("order:u", 0, -1) == [str(seq).encode() for seq in range(1, 7)]


def test_a_gap_that_a_file_leaves_is_passed_after_it(file: Callable[..., Path], settings: Settings) -> None:
    settings.SEQUENCE_GAP_TIMEOUT_MS = 0
    assert process(file(numbered(2), numbered(5))) == "0 applied, 0 already known, 2 held, 0 refused"
    assert import_gaps.pass_import_gaps() == 2
    assert applied() == [2, 5]


def test_what_fails_is_retried_and_held_lines_wait_for_it(file: Callable[..., Path], hinted: list[str]) -> None:
    lines = file(numbered(1, fails=1), numbered(2), numbered(1, "v"), {**numbered(1, "w"), "eventId": "late"}, name="a")
    assert process(lines) == "2 applied, 0 already known, 1 held, 1 retrying, 0 refused"
    assert hinted == ["u-1"]
    event, run = InboxEvent.objects.get(pk="u-1"), ImportRun.objects.get()
    assert run.source == "a"
    assert (event.topic, event.partition, event.offset, event.import_run) == (None, None, 1, run.pk)
    retry_all()
    assert applied() == [1, 2]
    assert process(file(numbered(1, "w"))) == "0 applied, 0 already known, 1 skipped, 0 refused"


def test_what_fails_for_good_is_a_dead_letter_with_the_message_that_the_door_would_have_written(
    file: Callable[..., Path], settings: Settings, redis: Redis
) -> None:
    settings.RETRY_MAX_RETRIES = 0
    assert process(file(numbered(1, fails=9))) == "0 applied, 0 already known, 1 failed, 0 refused"
    assert redis.lrange("dlq:list", 0, -1) == [b"u-1"]
    (raw,) = column("SELECT raw FROM processing_inboxevent")
    assert orjson.loads(bytes(raw))["id"] == "u-1"
    (key,) = column("SELECT key FROM processing_inboxevent")
    assert bytes(key) == b"u", "sent again to Kafka, it keeps its place among the user's events"


@pytest.mark.parametrize("tries", [1, 2])
def test_a_lane_that_a_line_parks_waits_for_its_replay_whatever_files_bring(
    file: Callable[..., Path], settings: Settings, tries: int
) -> None:
    """By the file's own batch, or by the worker's last try."""
    user = "p"
    settings.FAMILY_ON_FAILURE = {"flaky": "park"}
    settings.RETRY_MAX_RETRIES = tries - 1
    settings.SEQUENCE_GAP_TIMEOUT_MS = 0
    process(file(*[numbered(seq, user, fails=tries if seq == 2 else 0) for seq in (1, 2, 3, 6)]))
    retry_all()
    rival, free = {**numbered(2, user), "eventId": "rival"}, {**numbered(1, user), "eventId": "free", "payload": {}}
    process(file(numbered(4, user), rival, free))
    assert import_gaps.pass_import_gaps() == 0
    assert applied(user) == [1, None]
    assert column("SELECT status FROM processing_inboxevent WHERE id = 'rival'") == ["skipped"]
    assert Lane.objects.values_list("next_seq", "waits_for").get() == (2, "park")

    assert process(file(numbered(2, user))) == "0 applied, 1 already known, 0 refused"
    column("UPDATE processing_deadletter SET published_at = now() RETURNING event_id")
    replay(ids=["p-2"], actor="ada")
    release.run_due(["p-2"])
    assert applied(user) == [1, None, 2, 3, 4]
    assert import_gaps.pass_import_gaps() == 1
    assert applied(user) == [1, None, 2, 3, 4, 6]


def test_while_redis_is_away_the_file_goes_on_and_a_sweep_writes_what_redis_missed(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], redis: Redis
) -> None:
    from redis import ConnectionError as RedisConnectionError

    def away(_: Any) -> None:
        raise RedisConnectionError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(hot_state_writer, "write_hot_state", away)
        patch.setattr(hot_state_writer, "AWAY_S", 0)
        patch.setattr(lines_of_files, "PIECE_LINES", 4_000)
        assert (
            process(file(*[numbered(seq) for seq in range(1, 10_001)])) == "10000 applied, 0 already known, 0 refused"
        )
    assert capsys.readouterr().err.count("Redis is away") == 1
    assert redis.keys("*") == []
    column("UPDATE processing_hotstateoutbox SET created_at = created_at - interval '1 minute' RETURNING id")
    assert sweeper.rescue_hot_state() == 3
    assert redis.llen("order:u") == 10_000
    assert redis.hget("event:u-10000", "status") == b"processed"
