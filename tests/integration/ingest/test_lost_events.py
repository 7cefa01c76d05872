"""An accepted event that the log lost: its state says so, and sent again it counts."""

from __future__ import annotations

import orjson
import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings
from redis import Redis

from ingest.publishing.reservations import look_up
from processing.domain.log_positions import Place, StoredPosition
from processing.postgres.log_positions import write_positions
from processing.postgres.transaction import transaction
from tests.integration.ingest.conftest import read_topic
from tests.integration.ingest.test_endpoints import Post
from tests.support.batches import statuses, store, value
from tests.support.factories import InboxEventFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("door")]

EVENT = {"userId": "u", "type": "t", "eventId": "e"}


def place_of(id: str) -> Place:
    accepted, _ = look_up(id)
    assert accepted is not None
    assert accepted.place is not None
    return accepted.place


def pass_by(place: Place) -> None:
    """As if a consumer had come to the offset behind it."""
    with transaction() as cursor:
        position = StoredPosition(place.topic_id, place.offset + 1, place.offset + 1)
        write_positions(cursor, {(place.topic, place.partition): position})


def state(client: Client, id: str = "e") -> str:
    return str(client.get(f"/events/{id}").json()["status"])


def test_the_door_keeps_where_an_accepted_event_stands(post: Post, door: str) -> None:
    post("/events", EVENT)
    post("/events", {**EVENT, "eventId": "f"})
    (first, second) = read_topic(door)
    assert place_of("f").topic == door
    assert (place_of("e").partition, place_of("e").offset) == (first.partition(), first.offset())
    assert (place_of("f").partition, place_of("f").offset) == (second.partition(), second.offset())
    assert place_of("e").topic_id


def test_a_lost_event_is_told_and_sent_again_it_is_accepted(client: Client, post: Post, door: str) -> None:
    post("/events", EVENT)
    assert state(client) == "accepted"
    assert post("/events", EVENT).json()["status"] == "duplicate"
    pass_by(place_of("e"))
    assert state(client) == "lost"
    answer = post("/events", EVENT)
    assert (answer.status_code, answer.json()) == (202, {"eventId": "e", "status": "accepted"})
    assert state(client) == "accepted"
    assert post("/events", EVENT).json()["status"] == "duplicate"
    assert len(read_topic(door)) == 2


def test_in_a_batch_each_lost_event_is_accepted_and_the_others_stay_duplicates(client: Client, post: Post) -> None:
    batch = {"events": [{**EVENT, "userId": f"u{n}", "eventId": f"e{n}"} for n in range(4)]}
    post("/events/batch", batch)
    InboxEventFactory.create(id="e1")
    pass_by(place_of("e0"))
    gone = {f"e{n}" for n in range(4) if state(client, f"e{n}") == "lost"}
    assert "e0" in gone
    assert "e1" not in gone
    results = post("/events/batch", batch).json()["results"]
    assert {each["eventId"] for each in results if each["status"] == "accepted"} == gone
    assert {each["status"] for each in results if each["eventId"] not in gone} == {"duplicate"}


def test_a_key_of_a_lost_event_is_free_again(client: Client, post: Post) -> None:
    body = {"userId": "u", "type": "t"}
    id = post("/events", body, Idempotency_Key="k").json()["eventId"]
    assert post("/events", body, Idempotency_Key="k").json() == {"eventId": id, "status": "duplicate"}
    pass_by(place_of(id))
    assert post("/events", body, Idempotency_Key="k").json() == {"eventId": id, "status": "accepted"}
    named = {**body, "eventId": "own"}
    post("/events", named, Idempotency_Key="k2")
    pass_by(place_of("own"))
    assert post("/events", named, Idempotency_Key="k2").json() == {"eventId": "own", "status": "accepted"}


def test_a_key_that_outlived_the_memory_of_its_event_does_not_hide_that_it_was_lost(
    client: Client, post: Post, redis: Redis, door: str
) -> None:
    body = {"userId": "u", "type": "t"}
    id = post("/events", body, Idempotency_Key="k").json()["eventId"]
    place = place_of(id)
    redis.delete(f"accepted:{id}")  # evicted
    pass_by(place)
    assert post("/events", body, Idempotency_Key="k").json() == {"eventId": id, "status": "accepted"}
    assert {orjson.loads(message.value() or b"")["id"] for message in read_topic(door)} == {id}
    InboxEventFactory.create(id=id)
    redis.delete(f"accepted:{id}")
    assert post("/events", body, Idempotency_Key="k").json() == {"eventId": id, "status": "duplicate"}


def test_a_place_that_the_broker_did_not_tell_is_never_taken_for_lost(client: Client, post: Post, redis: Redis) -> None:
    post("/events", EVENT)
    pass_by(place_of("e"))
    redis.set("accepted:e", '{"userId":"u","type":"t","timestamp":1}')
    assert state(client) == "accepted"
    assert post("/events", EVENT).json()["status"] == "duplicate"


def test_new_events_and_duplicates_of_final_ones_ask_postgres_nothing(
    post: Post, redis: Redis, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert post("/events", EVENT).json()["status"] == "accepted"
        redis.set("dedup:e", "1")
        assert post("/events", EVENT).json()["status"] == "duplicate"


def test_while_postgres_cannot_say_it_a_known_event_is_no_duplicate(post: Post) -> None:
    assert post("/events", EVENT).status_code == 202
    port = connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict["PORT"] = "1"  # nobody listens there
    try:
        answer = post("/events", EVENT)
        batch = post("/events/batch", {"events": [EVENT, {**EVENT, "eventId": "new"}]})
    finally:
        connection.settings_dict["PORT"] = port
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert [each["status"] for each in batch.json()["results"]] == ["unavailable", "accepted"]
    assert post("/events", EVENT).json()["status"] == "duplicate"


@pytest.mark.parametrize("extent", ["unhappy", "off"])
def test_where_redis_holds_no_processed_events_the_door_knows_what_passed_it(
    client: Client, post: Post, door: str, redis: Redis, settings: Settings, extent: str
) -> None:
    settings.HOT_STATE = extent
    post("/events", EVENT)
    store(*(bytes(message.value() or b"") for message in read_topic(door)), value("elsewhere"))
    assert not redis.exists("dedup:e", "event:e", "dedup:elsewhere")
    assert post("/events", EVENT).json()["status"] == "duplicate"
    pass_by(place_of("e"))
    assert post("/events", EVENT).json()["status"] == "duplicate", "the inbox has it"
    assert state(client) == "processed"
    answer = post("/events", {**EVENT, "eventId": "elsewhere"})
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    before = statuses()
    store(*(bytes(message.value() or b"") for message in read_topic(door)))
    assert statuses() == before
