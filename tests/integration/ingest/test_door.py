"""The door on real services: many requests at once, duplicates, limits, and what a dead process leaves behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import orjson
import pytest
from django.db import connection
from redis import Redis

from ingest.parsing.candidate import Candidate, Context
from ingest.parsing.events import parse_batch, parse_one
from ingest.publishing import admission, reservations
from ingest.publishing.admission import Admitted, Origin, admit
from ingest.publishing.errors import AddressLimited
from ingest.publishing.submission import Outcome, Status, Submission
from tests.integration.ingest.conftest import read_topic

CONTEXT = Context(caller="anonymous", now=1_790_000_000_000, max_bytes=262_144)
ORIGIN = Origin("", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

pytestmark = pytest.mark.usefixtures("door")


def event(key: str | None = None, **members: Any) -> Candidate:
    made = parse_one(orjson.dumps({"userId": "u", "type": "t", **members}), key, CONTEXT)
    assert isinstance(made, Candidate)
    return made


def admit_batch(*events: dict[str, Any]) -> list[tuple[str, str]]:
    body = orjson.dumps({"events": [{"userId": "u", "type": "t", **each} for each in events]})
    outcomes = admit(parse_batch(body, 1_000, CONTEXT), ORIGIN).outcomes
    return [(outcome.status, outcome.event_id) for outcome in outcomes]


def at_once(work: Sequence[Callable[[], Admitted]]) -> list[Outcome]:
    """The outcomes of one-event requests that start together."""
    barrier = Barrier(len(work))

    def run(one: Callable[[], Admitted]) -> Outcome:
        barrier.wait()
        try:
            return one().outcomes[0]
        finally:
            connection.close()  # this thread's own

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def statuses(outcomes: Sequence[Outcome]) -> Counter[str]:
    return Counter(outcome.status.value for outcome in outcomes)


def test_an_accepted_event_is_on_kafka_with_its_key_and_headers(door: str) -> None:
    made = event(userId="ü", eventId="a/b\n")
    assert admit([made], ORIGIN).outcomes[0].status is Status.ACCEPTED
    (message,) = read_topic(door)
    assert (message.key(), message.value()) == ("ü".encode(), made.value)
    assert message.headers() == [("traceparent", ORIGIN.traceparent.encode())]


def test_twenty_requests_with_one_key_are_one_event_and_one_unit(door: str, redis: Redis) -> None:
    outcomes = at_once([lambda: admit([event("k")], ORIGIN)] * 20)
    assert statuses(outcomes) == {"accepted": 1, "duplicate": 19}
    assert len({outcome.event_id for outcome in outcomes}) == 1
    assert len(read_topic(door)) == 1
    assert redis.zcard("rate:u") == 1


def test_twenty_requests_with_one_id_are_one_event(door: str) -> None:
    outcomes = at_once([lambda: admit([event(eventId="e")], ORIGIN)] * 20)
    assert statuses(outcomes) == {"accepted": 1, "duplicate": 19}
    assert len(read_topic(door)) == 1


def test_of_150_posts_of_a_user_100_are_accepted(door: str) -> None:
    outcomes = at_once([lambda: admit([event()], ORIGIN)] * 150)
    assert statuses(outcomes) == {"accepted": 100, "rate_limited": 50}
    assert len(read_topic(door)) == 100


def test_other_content_under_a_key_conflicts_and_names_the_first_event() -> None:
    first = admit([event("k", payload={"a": 1})], ORIGIN).outcomes[0]
    other = admit([event("k", payload={"a": 2})], ORIGIN).outcomes[0]
    assert (other.status, other.event_id) == (Status.CONFLICT, first.event_id)


def test_a_key_is_each_callers_own() -> None:
    assert admit([event("k")], ORIGIN).outcomes[0].status is Status.ACCEPTED
    theirs = parse_one(b'{"userId": "u", "type": "t"}', "k", Context("key 7", 0, 1_000))
    assert admit([theirs], ORIGIN).outcomes[0].status is Status.ACCEPTED


def test_a_key_that_redis_forgot_counts_once_as_long_as_its_event_is_known(redis: Redis) -> None:
    first = admit([event("k")], ORIGIN).outcomes[0]
    redis.delete(event("k").key)
    again = admit([event("k")], ORIGIN).outcomes[0]
    assert (again.status, again.event_id) == (Status.DUPLICATE, first.event_id)


def test_an_id_that_was_processed_is_a_duplicate_after_the_door_forgot_it(redis: Redis) -> None:
    redis.set("dedup:e", "1")
    assert admit_batch({"eventId": "e"}) == [("duplicate", "e")]


class TestBatches:
    def test_a_repeated_id_is_a_duplicate_of_the_first(self, door: str) -> None:
        assert admit_batch({"eventId": "e"}, {"eventId": "f"}, {"eventId": "e"}) == [
            ("accepted", "e"),
            ("accepted", "f"),
            ("duplicate", "e"),
        ]
        assert len(read_topic(door)) == 2

    def test_a_repeated_id_shares_the_fate_of_a_first_that_was_not_accepted(self, settings: Any) -> None:
        settings.RATE_LIMIT_PER_USER = 1
        outcomes = admit_batch({}, {"eventId": "e"}, {"eventId": "e", "userId": "other"})
        assert [status for status, _ in outcomes] == ["accepted", "rate_limited", "rate_limited"]

    def test_an_invalid_event_takes_no_part_in_that(self) -> None:
        invalid, valid = admit_batch({"eventId": "e", "type": ""}, {"eventId": "e"})
        assert (invalid[0], valid) == ("invalid", ("accepted", "e"))

    def test_keys_repeated_in_a_batch(self) -> None:
        first, same, other, alone = admit_batch(
            {"idempotencyKey": "k"},
            {"idempotencyKey": "k"},
            {"idempotencyKey": "k", "payload": {"a": 1}},
            {"idempotencyKey": "l"},
        )
        assert [first[0], same[0], other[0], alone[0]] == ["accepted", "duplicate", "conflict", "accepted"]
        assert first[1] == same[1] == other[1] != alone[1]

    def test_each_user_has_a_limit_of_its_own(self, settings: Any) -> None:
        settings.RATE_LIMIT_PER_USER = 2
        users = ["a", "a", "b", "a", "ip:10.0.0.1"]
        outcomes = admit_batch(*({"userId": user} for user in users))
        assert [status for status, _ in outcomes] == ["accepted", "accepted", "accepted", "rate_limited", "accepted"]


class TestUnits:
    def test_a_duplicate_a_conflict_and_an_invalid_event_take_none(self, redis: Redis) -> None:
        admit([event("k")], ORIGIN)
        admit([event("k")], ORIGIN)
        admit([event("k", payload={"a": 1})], ORIGIN)
        admit([parse_one(b'{"userId": "u"}', None, CONTEXT)], ORIGIN)
        assert redis.zcard("rate:u") == 1

    def test_an_answer_tells_what_is_left(self) -> None:
        assert [admit([event()], ORIGIN).remaining for _ in range(3)] == [99, 98, 97]

    def test_without_a_limit_nothing_is_counted(self, settings: Any, redis: Redis) -> None:
        settings.RATE_LIMIT_PER_USER = 0
        assert admit([event()], ORIGIN).remaining is None
        assert not redis.exists("rate:u")

    def test_a_user_named_like_an_address_has_no_window_of_an_address(self, settings: Any, redis: Redis) -> None:
        settings.RATE_LIMIT_PER_IP = 5
        admit([event(userId="ip:10.0.0.1")], Origin("10.0.0.9", ORIGIN.traceparent))
        assert sorted(redis.keys("rate*")) == [b"rate:ip:10.0.0.9", b"rateuser:ip:10.0.0.1"]


class TestAddressLimit:
    HERE = Origin("10.0.0.1", ORIGIN.traceparent)

    @pytest.fixture(autouse=True)
    def _limit(self, settings: Any) -> None:
        settings.RATE_LIMIT_PER_IP = 2

    def test_a_batch_counts_as_one_request(self, redis: Redis) -> None:
        admit([event(), event()], self.HERE)
        assert redis.zcard("rate:ip:10.0.0.1") == 1

    def test_a_request_over_the_limit_is_sent_away_whole(self) -> None:
        admit([event()], self.HERE)
        admit([parse_one(b"{}", None, CONTEXT)], self.HERE)
        with pytest.raises(AddressLimited):
            admit([event(), event()], self.HERE)

    def test_nothing_but_duplicates_is_not_counted(self, redis: Redis) -> None:
        for _ in range(5):
            admit([event(eventId="e")], self.HERE)
        assert redis.zcard("rate:ip:10.0.0.1") == 1


class TestReservations:
    """What another process, dead or alive, holds in Redis."""

    @pytest.fixture
    def impatient(self, door: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a door that knows its topic: to ask for it takes longer than they wait."""
        assert admit([event(userId="first")], ORIGIN).outcomes[0].status is Status.ACCEPTED
        monkeypatch.setattr(admission, "PATIENCE_S", 1.0)

    def reserve_elsewhere(self, held: Candidate) -> Submission:
        other = Submission("other token", "other request", [held], ORIGIN.traceparent, deadline=0)
        reservations.reserve([other])
        return other

    @pytest.mark.parametrize("members", [{"eventId": "e"}, {"key": "k"}])
    def test_what_a_dead_process_reserved_frees_itself(
        self, members: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reservations, "RESERVATION_MS", 300)
        self.reserve_elsewhere(event(**members))
        assert admit([event(**members)], ORIGIN).outcomes[0].status is Status.ACCEPTED

    @pytest.mark.parametrize("members", [{"eventId": "e"}, {"key": "k"}])
    def test_while_the_first_is_not_through_a_second_waits_then_is_pending(
        self, members: dict[str, str], impatient: None
    ) -> None:
        self.reserve_elsewhere(event(**members))
        assert admit([event(**members)], ORIGIN).outcomes[0].status is Status.PENDING

    def test_other_content_waits_too(self, impatient: None) -> None:
        self.reserve_elsewhere(event("k"))
        assert admit([event("k", payload={"a": 1})], ORIGIN).outcomes[0].status is Status.PENDING

    def test_a_key_whose_publishing_failed_is_free_again(self, redis: Redis) -> None:
        held = event("k")
        other = self.reserve_elsewhere(held)
        reservations.confirm([(other, held, False)])
        assert redis.keys("*") == []
        assert admit([event("k", payload={"a": 1})], ORIGIN).outcomes[0].status is Status.ACCEPTED

    def test_a_late_failure_does_not_free_what_is_anothers_by_now(self, redis: Redis) -> None:
        held = event(eventId="e")
        late = Submission("late token", "late request", [held], ORIGIN.traceparent, deadline=0)
        self.reserve_elsewhere(held)
        reservations.confirm([(late, held, False)])
        assert redis.get("reserved:e") == b"other token"


class TestRefusals:
    def refuse(self, body: bytes) -> str:
        (outcome,) = admit([parse_one(body, None, CONTEXT)], ORIGIN).outcomes
        assert outcome.status is Status.INVALID
        return outcome.event_id

    def test_a_refused_event_is_remembered_under_its_id(self, redis: Redis) -> None:
        assert self.refuse(b'{"userId": "u", "eventId": "e"}') == "e"
        state: Any = redis.hgetall("event:e")
        assert state.pop(b"processedAt").isdigit()
        assert state == {b"status": b"invalid", b"attempts": b"0", b"userId": b"u", b"error": b"type: is missing"}
        assert not redis.exists("dedup:e")

    def test_without_a_usable_id_it_gets_one(self, redis: Redis) -> None:
        assert redis.hget(f"event:{self.refuse(b'not json')}", "status") == b"invalid"

    @pytest.mark.parametrize("key", ["accepted:e", "dedup:e", "reserved:e", "inflight:e"])
    def test_nothing_real_is_overwritten(self, redis: Redis, key: str) -> None:
        redis.set(key, "1")
        assert self.refuse(b'{"eventId": "e"}') != "e"
        assert not redis.exists("event:e")

    def test_the_mended_event_counts(self, redis: Redis, door: str) -> None:
        self.refuse(b'{"userId": "u", "eventId": "e"}')
        assert admit_batch({"eventId": "e"}) == [("accepted", "e")]
        assert not redis.exists("event:e")
        assert len(read_topic(door)) == 1
