"""Ids that the door makes lead to their request's record in Redis: known one by one, forgotten one by one."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from redis import Redis

from ingest.publishing.reservations import remembered
from tests.integration.ingest.test_endpoints import EVENT, Post, assert_problem
from tests.integration.ingest.test_lost_events import pass_by, place_of, state

QUOTED = 'u"002":'  # as a later event's entry begins, but for the quotes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("door")]


def send(post: Post, events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    results = post("/events/batch", {"events": events}).json()["results"]
    return [(each["eventId"], each["status"]) for each in results]


def ids_of(post: Post, count: int) -> list[str]:
    """Of so many events, accepted in one request."""
    sent = send(post, [{**EVENT, "userId": f"u{number}"} for number in range(count)])
    assert {status for _, status in sent} == {"accepted"}
    return [id for id, _ in sent]


def test_a_request_has_one_record_and_each_of_its_events_is_known(client: Client, post: Post, redis: Redis) -> None:
    ids = ids_of(post, 3)
    assert len(redis.keys("accepted:*")) == 1
    assert redis.ttl(redis.keys("accepted:*")[0]) > 0
    assert [remembered(ids)[id].userId for id in ids] == ["u0", "u1", "u2"]
    assert [state(client, id) for id in ids] == ["accepted"] * 3
    assert send(post, [{**EVENT, "eventId": id} for id in ids]) == [(id, "duplicate") for id in ids]
    assert post("/events", {**EVENT, "eventId": ids[1]}).status_code == 200


def test_an_id_that_only_looks_like_one_of_them_is_new(client: Client, post: Post) -> None:
    (first, status), (second, _) = send(post, [{**EVENT, "userId": QUOTED}, {**EVENT, "type": QUOTED}])
    assert status == "accepted"
    third = f"{second[:-1]}2"
    assert client.get(f"/events/{third}").status_code == 404
    assert send(post, [{**EVENT, "eventId": id} for id in (third, first[:-3], first.upper())]) == [
        (third, "accepted"),
        (first[:-3], "accepted"),
        (first.upper(), "accepted"),
    ]
    assert send(post, [{**EVENT, "eventId": first}]) == [(first, "duplicate")]


def test_a_refused_event_does_not_hide_one_that_was_accepted(client: Client, post: Post, redis: Redis) -> None:
    id, other = ids_of(post, 2)
    problem = assert_problem(post("/events", {"userId": "u", "eventId": id}), 400)
    assert problem["eventId"] not in (id, other)
    assert state(client, id) == "accepted"
    assert not redis.exists(f"event:{id}")


def test_one_of_them_that_was_lost_is_accepted_again_and_the_others_stay_known(client: Client, post: Post) -> None:
    ids = ids_of(post, 8)
    pass_by(place_of(ids[3]))
    gone = {id for id in ids if state(client, id) == "lost"}
    assert ids[3] in gone
    again = send(post, [{**EVENT, "eventId": id} for id in ids])
    assert {id for id, status in again if status == "accepted"} == gone
    assert {status for id, status in again if id not in gone} <= {"duplicate"}
    assert {state(client, id) for id in ids} == {"accepted"}
    assert {status for _, status in send(post, [{**EVENT, "eventId": id} for id in ids])} == {"duplicate"}
