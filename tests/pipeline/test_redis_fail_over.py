"""Redis fails over while old connections stay open, is full, or lets us do no more than the docs ask for."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from redis import Redis

from eventsite.local.services.valkey import Valkey
from tests.paths import ROOT
from tests.pipeline.conftest import MakeStack
from tests.pipeline.load import Sent, mixed
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.stack import Stack
from tests.pipeline.test_lost_messages import ask, is_up
from tests.support.forwarder import Forwarder, forwarder
from tests.support.full_redis import fill_up, make_room

pytestmark = pytest.mark.pipeline

AGAIN_WITHIN_S = 10  # of a service that is back


@pytest.fixture
def replica(tmp_path: Path, valkey: Valkey) -> Iterator[Valkey]:
    with Valkey(tmp_path / "replica") as service:
        with Redis.from_url(service.address) as client:
            client.replicaof("127.0.0.1", str(valkey.port))
        yield service


@pytest.fixture
def balancer(valkey: Valkey) -> Iterator[Forwarder]:
    with forwarder(valkey.port) as found:
        yield found


@pytest.fixture
def balanced(tmp_path: Path, database: str, balancer: Forwarder) -> Iterator[Stack]:
    url = f"redis://127.0.0.1:{balancer.port}/0"
    stack = Stack(tmp_path, database, url, settings.KAFKA_BOOTSTRAP_SERVERS)
    yield stack
    stack.close()


def fail_over(stack: Stack, primary: Valkey, replica: Valkey, balancer: Forwarder) -> None:
    """Nothing is lost by it, and no connection is closed."""
    with Redis.from_url(replica.address) as there, Redis.from_url(primary.address) as here:
        stack.wait_until(lambda: there.info("replication").get("master_link_status") == "up", "the replica follows")
        here.execute_command("FAILOVER", "TO", "127.0.0.1", replica.port)
        stack.wait_until(lambda: there.role()[0] == b"master", "the replica is the primary")
    balancer.target = replica.port


def post(stack: Stack, id: str) -> str:
    """The status of the answer; empty for none."""
    try:
        return str(ask(stack, "/events", {"eventId": id, "userId": id, "type": "t"})["status"])
    except OSError:
        return ""


def test_a_fail_over_that_closes_no_connection_stops_neither_consumer_nor_worker_nor_beat(
    balanced: Stack, valkey: Valkey, replica: Valkey, balancer: Forwarder
) -> None:
    stack = balanced
    sent = mixed(3_000, users=80, chance=random.Random(5))
    places = stack.produce(event.record() for event in sent)
    stack.start("beat")
    stack.start("worker")
    consumer = stack.start("consumer", CONSUMER_BATCH_SIZE="50")
    stack.wait_for_rows(500)
    fail_over(stack, valkey, replica, balancer)
    more = mixed(1_000, users=80, chance=random.Random(6), prefix="later-")  # by now all of `sent` may have been read
    read = stack.count("processing_inboxevent")
    places += stack.produce(event.record() for event in more)
    stack.wait_until(lambda: stack.count("processing_inboxevent") > read, "the consumer goes on", AGAIN_WITHIN_S)
    settle_and_check(stack, Expected(sent + more, places))
    assert consumer.output().count("Redis is away") <= 2, "each line is told once, then with its count"


def test_the_door_goes_on_after_a_fail_over_that_closes_no_connection(
    balanced: Stack, valkey: Valkey, replica: Valkey, balancer: Forwarder
) -> None:
    stack = balanced
    stack.start("web")
    stack.wait_until(lambda: is_up(stack), "the web server is up")
    stack.wait_until(lambda: post(stack, "before") == "accepted", "the door accepts")
    fail_over(stack, valkey, replica, balancer)
    stack.wait_until(lambda: post(stack, "after") != "", "the door goes on", AGAIN_WITHIN_S)
    assert [post(stack, id) for id in ("before", "after", "later")] == ["duplicate", "duplicate", "accepted"]


def test_a_full_redis_ends_no_worker_and_retries_go_on_once_there_is_room(stack: Stack, valkey: Valkey) -> None:
    worker = stack.start("worker")
    stack.start("beat")
    stack.wait_until(lambda: "ready" in worker.output(), "the worker is there")
    worker.freeze()
    sent = [Sent(f"e-{n}", f"u-{n}", fail=True) for n in range(50)]
    places = stack.produce(event.record() for event in sent)
    consumer = stack.start("consumer")
    stack.wait_until(lambda: stack.redis.llen("eventsite") > 0, "the worker has something to take")
    stack.wait_until_read(50)
    fill_up(stack.redis)
    worker.thaw()
    stack.wait_until(lambda: "OutOfMemory" in worker.output(), "the worker has met it")
    assert consumer.is_running()
    make_room(stack.redis)
    settle_and_check(stack, Expected(sent, places))


def documented_rights() -> list[str]:
    """The rules of the user that docs/operations.md asks for, the password aside."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = re.search(r"^ACL SETUSER eventsite on >\S+ ((?:.|\n)*?)^```", text, re.MULTILINE)
    assert found is not None
    return found[1].replace("\\\n", " ").split()


def test_a_user_with_the_documented_rights_can_do_all_that_we_do(
    valkey: Valkey, database: str, make_stack: MakeStack
) -> None:
    with Redis.from_url(valkey.address) as admin:
        admin.execute_command("ACL", "SETUSER", "eventsite", "reset", "on", ">secret", *documented_rights())
        url = valkey.address.replace("//", "//eventsite:secret@")
        stack = make_stack(database, REDIS_URL=url, RATE_LIMIT_PER_IP="1000")
        for name in ("web", "beat", "worker", "consumer"):
            stack.start(name)
        sent = mixed(1_000, users=20, chance=random.Random(7))
        stack.produce(event.record() for event in sent)
        stack.wait_until(lambda: is_up(stack), "the web server is up")
        use_the_door(stack)
        stack.topic.learn_ends()
        stack.wait_until_final(len({event.id for event in sent}) + 2)
        stack.manage("replay_dead_letters")
        stack.redis.delete("dlq:list")
        stack.manage("rebuild_hot_state")
        stack.wait_until(lambda: stack.waiting() == 0, "what was replayed is final")
        stack.manage("pipeline_status")
        assert ask(stack, "/health/ready")["status"] == "ready"
        assert admin.acl_log() == [], "something was refused"


def use_the_door(stack: Stack) -> None:
    event = {"userId": "u", "type": "t", "idempotencyKey": "k"}
    batch = {"events": [{**event, "eventId": "a"}, event, {"userId": "u"}, {"userId": "u", "type": "t"}]}
    statuses = [each["status"] for each in ask(stack, "/events/batch", batch)["results"]]
    assert statuses == ["accepted", "conflict", "invalid", "accepted"]
    assert ask(stack, "/events/a")["status"] in ("accepted", "processed")
