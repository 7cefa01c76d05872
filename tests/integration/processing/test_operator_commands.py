"""The operator's commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from io import StringIO
from typing import Any

import pytest
from confluent_kafka import KafkaException
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from processing.domain.statuses import Status
from processing.hot_state import rebuild
from processing.kafka.cluster import unsafe_topics
from processing.models import DeadLetter, HotStateOutbox, InboxEvent, Kind, OperatorAction, ReplayRun
from processing.operators import overview, replay_runs
from tests.support.factories import DeadLetterFactory, InboxEventFactory, LaneFactory
from tests.support.operator_pages import change, page

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


def output_of(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


# --- pipeline_status ---


@pytest.fixture
def topic(topics: Callable[..., str], settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("lag.TIMEOUT_S", "lag.EXACT_TIMEOUT_S", "open_transactions.TIMEOUT_S"):
        monkeypatch.setattr(f"processing.kafka.{name}", 20.0)
    monkeypatch.setattr(overview, "unsafe_topics", partial(unsafe_topics, timeout_s=20.0))
    settings.KAFKA_EVENTS_TOPIC = topics("events", partitions=2)
    settings.KAFKA_PRODUCT_TOPIC = topics("product-events")
    settings.KAFKA_CONSUMER_GROUP = f"group-of-{settings.KAFKA_EVENTS_TOPIC}"
    return str(settings.KAFKA_EVENTS_TOPIC)


def test_an_idle_pipeline_has_nothing_to_show(topic: str) -> None:
    status = json.loads(output_of("pipeline_status", "--json"))
    assert [(each["topic"], each["partition"], each["lag"]) for each in status["partitions"][:2]] == [
        (topic, 0, 0),
        (topic, 1, 0),
    ]
    numbers = ("lag", "held", "retrying", "deadLetters", "unpublishedDeadLetters", "gaps", "hotStateToWrite")
    assert {name: status[name] for name in numbers} == dict.fromkeys(numbers, 0)
    assert status["kinds"] == []


def test_what_waits_is_counted(topic: str) -> None:
    LaneFactory.create(user_id="gap", next_seq=1, waiting_since=timezone.now(), waits_for="gap")
    InboxEventFactory.create(user_id="gap", held=True, seq=2)
    LaneFactory.create(user_id="retry", next_seq=1, waiting_since=timezone.now(), waits_for="retry")
    InboxEventFactory.create(user_id="retry", retrying=True, seq=1)
    DeadLetterFactory.create(published_at=None)
    DeadLetterFactory.create()
    DeadLetterFactory.create(discarded_at=timezone.now())
    HotStateOutbox.objects.create(event_ids=["e-1"])
    Kind.objects.create(name="game/move", state="stopped", reason="100 in a row", actor="", error_class="ValueError")
    InboxEventFactory.create(held=True, family="game", type="move", waits_for="game/move", arrival=1)
    status = json.loads(output_of("pipeline_status", "--json"))
    counts = {name: status[name] for name in ("held", "retrying", "deadLetters", "unpublishedDeadLetters", "gaps")}
    assert counts == {"held": 2, "retrying": 1, "deadLetters": 2, "unpublishedDeadLetters": 1, "gaps": 1}
    assert status["hotStateToWrite"] == 1
    (kind,) = status["kinds"]
    assert (kind["kind"], kind["state"], kind["reason"], kind["waiting"]) == ("game/move", "stopped", "100 in a row", 1)
    table = output_of("pipeline_status")
    assert f"{topic}, partition 1" in table
    assert "2 (1 not on events.dlq yet)" in table
    assert "100 in a row" in table


def test_while_kafka_is_away_the_rest_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(exact: bool) -> Any:
        raise KafkaException("no broker answers")

    monkeypatch.setattr("processing.operators.overview.group_lag", away)
    assert "unknown: Kafka: no broker answers" in output_of("pipeline_status")
    assert json.loads(output_of("pipeline_status", "--json"))["lag"] is None


# --- replay_dead_letters ---


def test_all_open_dead_letters_are_replayed_in_the_order_of_the_log() -> None:
    start = timezone.now()
    for number in range(5):
        DeadLetterFactory.create(event__id=f"e-{9 - number}", event__received_at=start + timedelta(seconds=number))
    DeadLetterFactory.create(event__id="gone", discarded_at=start)
    printed = output_of("replay_dead_letters")
    assert "replayed: 5\nleft as they were: 0" in printed
    rows = InboxEvent.objects.filter(status=Status.PROCESSED).order_by("replay_order")
    assert [row.id for row in rows] == ["e-9", "e-8", "e-7", "e-6", "e-5"]
    assert OperatorAction.objects.first().actor.endswith(" (replay_dead_letters)")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--id", "a"], {"a"}),
        (["--id", "a", "--id", "b"], {"a", "b"}),
        (["--type", "red"], {"b", "c"}),
        (["--since", "2026-06-01T00:00:00Z"], {"c"}),
        (["--since", "2026-06-01T02:00:00+02:00", "--type", "red"], {"c"}),
        (["--type", "green"], set()),
    ],
)
def test_options_choose_what_is_replayed(arguments: list[str], expected: set[str]) -> None:
    DeadLetterFactory.create(event__id="a", event__type="blue", queued_at="2026-01-01T00:00:00Z")
    DeadLetterFactory.create(event__id="b", event__type="red", queued_at="2026-01-01T00:00:00Z")
    DeadLetterFactory.create(event__id="c", event__type="red", queued_at="2026-06-01T00:00:00Z")
    assert f"would replay: {len(expected)}" in output_of("replay_dead_letters", *arguments, "--dry-run")
    assert not InboxEvent.objects.filter(status=Status.PROCESSED).exists()
    output_of("replay_dead_letters", *arguments)
    assert set(InboxEvent.objects.filter(status=Status.PROCESSED).values_list("id", flat=True)) == expected


def test_an_event_that_was_named_and_cannot_be_replayed_is_told_and_fails_the_command() -> None:
    DeadLetterFactory.create(event__id="a")
    InboxEventFactory.create(id="b")
    out = StringIO()
    with pytest.raises(CommandError, match="not all"):
        call_command("replay_dead_letters", "--id", "a", "--id", "b", stdout=out)
    assert "1: is no dead letter: it is processed ('b')" in out.getvalue()
    assert InboxEvent.objects.get(pk="a").status == Status.PROCESSED


def test_a_run_of_the_command_is_cancelled_and_goes_on_in_the_admin_and_the_other_way_round(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_runs, "CHUNK", 1)
    for number in range(4):
        DeadLetterFactory.create(event__id=f"e-{number}", event__type="red")
    take_step = replay_runs.take_step

    def cancelled_half_way(run: int) -> replay_runs.Step | None:
        step = take_step(run)
        if ReplayRun.objects.get().replayed == 2:
            operator.post(reverse("admin:processing_replayrun_act", args=[run, "cancel"]))
        return step

    monkeypatch.setattr(replay_runs, "take_step", cancelled_half_way)
    with pytest.raises(CommandError, match="not replayed: 2"):
        output_of("replay_dead_letters", "--type", "red", "--reason", "mended")
    monkeypatch.setattr(replay_runs, "take_step", take_step)
    run = ReplayRun.objects.get()
    assert (run.cancelled_by, run.reason, DeadLetter.objects.count()) == ("ada", "mended", 2)
    html = page(operator, change("replayrun", run.pk))
    assert "mended" in html
    assert "Go on" in html
    with pytest.raises(CommandError, match="cancelled before"):
        output_of("replay_dead_letters", "--cancel", str(run.pk))
    assert "replayed: 4" in output_of("replay_dead_letters", "--go-on", str(run.pk))
    assert not DeadLetter.objects.exists()
    for option in ("--run", "--cancel", "--go-on"):
        with pytest.raises(CommandError, match=r"^there is no replay 7$"):
            output_of("replay_dead_letters", option, "7")


@pytest.mark.parametrize(
    ("since", "told"),
    [("yesterday", "such as 2026-05-01T12:00:00Z"), ("2026-01-01T00:00:00", "write 2026-01-01T00:00:00Z for UTC")],
)
def test_a_time_that_cannot_be_used_is_refused_with_what_to_write(since: str, told: str) -> None:
    with pytest.raises(CommandError, match=told):
        output_of("replay_dead_letters", "--since", since)


# --- rebuild_hot_state ---


def test_an_emptied_redis_is_filled_from_postgres(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "ROWS", 3)
    LaneFactory.create(next_seq=8, order_version=7)
    for seq in range(1, 8):
        InboxEventFactory.create(id=f"e-{seq}", seq=seq)
    start = timezone.now()
    for number in range(5):
        DeadLetterFactory.create(event__id=f"dead-{9 - number}", queued_at=start + timedelta(seconds=number))
    DeadLetterFactory.create(event__id="gone", discarded_at=start)
    InboxEventFactory.create(id="skipped", skipped=True)
    InboxEventFactory.create(id="held", held=True, seq=9)
    InboxEventFactory.create(id="old", final_at=start - timedelta(days=2))
    printed = output_of("rebuild_hot_state")
    assert printed == "dead letters: 5\nevents: 14\norder lists: 1\n"
    assert redis.lrange("order:u-1", 0, -1) == [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]
    assert redis.lrange("dlq:list", 0, -1) == [b"dead-9", b"dead-8", b"dead-7", b"dead-6", b"dead-5"]
    assert redis.hget("dlq:dead-9", "attempts") == b"4"
    assert redis.hget("event:e-3", "status") == b"processed"
    assert redis.hget("event:skipped", "status") == b"skipped"
    assert redis.exists("dedup:e-1", "event:gone") == 2
    assert not redis.exists("event:held", "event:old", "dlq:gone")
    assert output_of("rebuild_hot_state") == printed, "again it changes nothing"
    assert redis.llen("dlq:list") == 5


def test_what_redis_wrongly_names_a_dead_letter_is_put_right(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "ROWS", 2)
    ids = [DeadLetterFactory.create().pk for _ in range(7)]
    output_of("rebuild_hot_state")
    DeadLetter.objects.filter(pk__in=ids[:5]).delete()
    InboxEvent.objects.filter(pk__in=ids[:5]).update(status=Status.PROCESSED, version=2)
    output_of("rebuild_hot_state")
    assert redis.lrange("dlq:list", 0, -1) == [id.encode() for id in ids[5:]]
    assert redis.hget(f"event:{ids[0]}", "status") == b"processed"


def test_a_dead_letter_older_than_the_hot_state_lives_is_listed_again(redis: Redis) -> None:
    long_ago = timezone.now() - timedelta(days=30)
    DeadLetterFactory.create(event__id="old", queued_at=long_ago, event__final_at=long_ago)
    output_of("rebuild_hot_state")
    assert redis.lrange("dlq:list", 0, -1) == [b"old"]
