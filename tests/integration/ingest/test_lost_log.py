"""A log that was lost takes with it what the door knew of it, and nothing else."""

from __future__ import annotations

import pytest
from redis import Redis

from ingest.publishing.lost_log import forget_what_was_lost
from tests.support.factories import InboxEventFactory


@pytest.mark.django_db
def test_only_what_the_inbox_does_not_have_is_forgotten(redis: Redis) -> None:
    InboxEventFactory.create(id="kept:1")
    for id in ("kept:1", "lost:1"):
        redis.set(f"accepted:{id}", "{}")
        redis.set(f"idem:{id}", f"d:digest:{id}")
    redis.set("idem:under way", "p:token")
    redis.set("dedup:other", "1")
    assert forget_what_was_lost() == 1
    assert set(redis.keys("*")) == {b"accepted:kept:1", b"idem:kept:1", b"idem:under way", b"dedup:other"}
