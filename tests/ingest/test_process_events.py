"""`manage.py process_events` on real services."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings
from redis import Redis

from ingest.files import hot_state_writer
from ingest.files import lines as lines_of_files
from ingest.sending.lines import Line, read_lines
from processing import file_runs, hints, hot_state, sweeps, waking
from processing.models import FileRun, HotStateOutbox
from tests.processing import flaky
from tests.processing.batches import applied, column, retry_all, statuses, store, value

MOVES = Path(__file__).parent.parent / "data" / "game_events.jsonl"
PLAIN = {"userId": "u", "type": "page.viewed"}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "hinted")]


@pytest.fixture
def hinted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids that Celery was told of; no worker runs here."""
    flaky.runs.clear()
    waking._window.forget()
    told: list[str] = []
    monkeypatch.setattr(hints, "send", lambda retries: told.extend(id for id, _ in retries))
    return told


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """`file({...}, b"…")`: a file of these lines."""

    def write(*lines: Any, name: str = "lines.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(b"\n".join(line if isinstance(line, bytes) else orjson.dumps(line) for line in lines))
        return path

    return write


def process(path: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command("process_events", str(path), stdout=out, **options)
    return out.getvalue().strip()


def process_badly(path: Path, match: str) -> str:
    """What it printed, though it ended with an error."""
    out = io.StringIO()
    with pytest.raises(CommandError, match=match):
        call_command("process_events", str(path), stdout=out)
    return out.getvalue().strip()


def everything() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT i::text FROM inbox i UNION ALL SELECT g::text FROM game_events g ORDER BY 1")
        return list(cursor.fetchall())


def numbered(seq: int, user: str = "u", **members: Any) -> dict[str, Any]:
    return {
        "userId": user,
        "type": "t",
        "family": "flaky",
        "eventId": f"{user}-{seq}",
        "payload": {"seq": seq, **members},
    }


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
    assert redis.hget(f"event:{column('SELECT min(id) FROM inbox')[0]}", "status") == b"processed"
    assert not HotStateOutbox.objects.exists()
    assert redis.keys("inflight:*") == []


def test_the_ids_are_those_that_send_events_gives(file: Callable[..., Path]) -> None:
    move = {"eventType": "move", "playerId": "p", "timestamp": 1, "data": {}}
    inner = {**PLAIN, "payload": {"eventId": "further inside"}}
    path = file(PLAIN, move, {**PLAIN, "eventId": None}, b" " + orjson.dumps(PLAIN) + b"\r", inner, inner, move)
    with path.open("rb") as lines:
        sent = [each.event["eventId"] for each in read_lines(lines, path.name, None, 1_000) if isinstance(each, Line)]
    assert len(set(sent)) == 7
    assert process(path) == "7 applied, 0 already known, 0 refused"
    assert sorted(column("SELECT id FROM inbox")) == sorted(sent)


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
    move = {"eventType": "move", "playerId": "p", "timestamp": 1, "data": {}}
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
    assert sweeps.sweep_file_gaps() == 2
    assert applied() == [2, 5]


def test_what_fails_is_retried_and_held_lines_wait_for_it(file: Callable[..., Path], hinted: list[str]) -> None:
    lines = file(numbered(1, fails=1), numbered(2), numbered(1, "v"), {**numbered(1, "w"), "eventId": "late"}, name="a")
    assert process(lines) == "2 applied, 0 already known, 1 held, 1 retrying, 0 refused"
    assert hinted == ["u-1"]
    (place,) = column("SELECT topic || ' ' || partition || ' ' || \"offset\" FROM inbox WHERE id = 'u-1'")
    assert place == f"file:a {FileRun.objects.get().id} 1"
    retry_all()
    assert applied() == [1, 2]
    assert process(file(numbered(1, "w"))) == "0 applied, 0 already known, 1 skipped, 0 refused"


def test_what_fails_for_good_is_a_dead_letter_with_the_message_that_the_door_would_have_written(
    file: Callable[..., Path], settings: Settings, redis: Redis
) -> None:
    settings.RETRY_MAX_RETRIES = 0
    assert process(file(numbered(1, fails=9))) == "0 applied, 0 already known, 1 failed, 0 refused"
    assert redis.lrange("dlq:list", 0, -1) == [b"u-1"]
    (raw,) = column("SELECT raw FROM inbox")
    assert orjson.loads(bytes(raw))["id"] == "u-1"
    (key,) = column("SELECT key FROM inbox")
    assert bytes(key) == b"u", "sent again to Kafka, it keeps its place among the user's events"


def test_while_redis_is_away_the_file_goes_on_and_a_sweep_writes_what_redis_missed(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], redis: Redis
) -> None:
    from redis import ConnectionError as RedisConnectionError

    def away(settled: Any) -> None:
        raise RedisConnectionError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(hot_state, "write", away)
        patch.setattr(hot_state_writer, "AWAY_S", 0)
        patch.setattr(lines_of_files, "PIECE_LINES", 4_000)
        assert (
            process(file(*[numbered(seq) for seq in range(1, 10_001)])) == "10000 applied, 0 already known, 0 refused"
        )
    assert capsys.readouterr().err.count("Redis is away") == 1
    assert redis.keys("*") == []
    column("UPDATE hot_state_outbox SET created_at = created_at - interval '1 minute' RETURNING id")
    assert sweeps.sweep_outbox() == 3
    assert redis.llen("order:u") == 10_000
    assert redis.hget("event:u-10000", "status") == b"processed"


def test_while_the_intake_is_stopped_nothing_is_applied(file: Callable[..., Path]) -> None:
    column("INSERT INTO breaker (id, reason) VALUES (1, 'a bad deploy') RETURNING id")
    path = file(PLAIN)
    printed = process_badly(path, "the intake is stopped: a bad deploy; run it again to go on")
    assert printed == "0 applied, 0 already known, 0 refused"
    assert not FileRun.objects.exists()


def test_handlers_that_keep_failing_stop_the_run(
    file: Callable[..., Path], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FAILURE_LIMIT_IN_A_ROW = 50
    monkeypatch.setattr(lines_of_files, "PIECE_LINES", 50)
    lines = [numbered(1, f"user-{number}", fails=1) for number in range(400)]
    printed = process_badly(file(*lines), "50 handler runs failed in a row.*run it again")
    assert len(statuses()) < 400
    assert printed.endswith("retrying, 0 refused")
    assert FileRun.objects.get().ended_at is None
    column("DELETE FROM breaker RETURNING id")
    settings.FAILURE_LIMIT_IN_A_ROW = settings.FAILURE_LIMIT_PERCENT = 0
    process(file(*lines))
    retry_all()
    while retry_all():
        pass
    assert set(statuses().values()) == {("processed", 2)}


def test_a_signal_ends_it_at_the_border_of_a_batch(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [{**PLAIN, "payload": {"n": number}} for number in range(30_000)]
    written = hot_state.write

    def interrupted(settled: Any) -> None:
        written(settled)
        signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(hot_state, "write", interrupted)
        printed = process_badly(file(*lines), "stopped; run it again to go on")
    assert signal.getsignal(signal.SIGTERM) == before
    count = len(statuses())
    assert 0 < count < 30_000
    assert printed == f"{count} applied, 0 already known, 0 refused"
    assert FileRun.objects.get().ended_at is None
    assert process(file(*lines)) == f"{30_000 - count} applied, {count} already known, 0 refused"
    assert not HotStateOutbox.objects.exists()


def test_after_a_signal_lanes_wait_for_the_run_that_goes_on(
    file: Callable[..., Path], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SEQUENCE_GAP_TIMEOUT_MS = 0
    monkeypatch.setattr(lines_of_files, "PIECE_LINES", 10)
    path = file(*(numbered(seq) for seq in range(100, 0, -1)))
    heard = file_runs.hear

    def interrupted(*arguments: Any, **counts: Any) -> None:
        heard(*arguments, **counts)
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(file_runs, "hear", interrupted)
        assert "held" in process_badly(path, "stopped; run it again to go on")
    assert sweeps.sweep_file_gaps() == 0
    process(path)
    assert set(statuses().values()) == {("processed", 1)}
