"""Whatever comes, fails, is replayed, discarded, paused or set, in any order: no lane is lost, nothing counts twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from pytest_django import Settings
from redis import Redis

from processing.background import sweeper
from processing.background.kinds import tend_kinds
from processing.engine import release
from processing.engine.process_batch import process_batch
from processing.models import InboxEvent, Lane
from processing.operators import actions
from processing.operators.chunks import Refused
from processing.operators.set_lane import set_lane
from processing.postgres.elapsed import let_pass
from processing.postgres.lanes import PARKED, WHAT_FOR
from tests.support import flaky, gaps, replays
from tests.support.batches import batch_of, column, retry_all, store, value
from tests.support.kinds import pause, resume, states

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]

USERS, KINDS = "uv", ("flaky/t", "flaky/x", "flaky")
STEPS, SEEDS = 40, 6
LETTER_OF_FRONT = """SELECT FROM processing_inboxevent i JOIN processing_deadletter d ON d.event_id = i.id
    WHERE i.user_id = l.user_id AND i.seq = l.next_seq AND i.status = 'failed' AND d.discarded_at IS NULL"""
WRONG = {
    "lanes that wait for something else than they say": f"""
        SELECT l.user_id || ' at ' || l.next_seq || ': ' || l.waits_for FROM processing_lane l
        CROSS JOIN LATERAL (SELECT l.next_seq) c LEFT JOIN LATERAL (
          SELECT i.seq, i.status, i.waits_for FROM processing_inboxevent i
          WHERE i.user_id = l.user_id AND i.seq >= l.next_seq AND i.status IN ('held', 'retrying')
          ORDER BY i.seq LIMIT 1) f ON true
        WHERE l.waits_for <> {WHAT_FOR} OR (l.waits_for <> '') <> (l.waiting_since IS NOT NULL)""",
    "lanes that are parked on nothing": f"""
        SELECT l.user_id FROM processing_lane l WHERE {PARKED} AND NOT EXISTS ({LETTER_OF_FRONT})""",
    "events that took effect twice": "SELECT event_id FROM game_events GROUP BY event_id HAVING count(*) > 1",
    "events that are processed without effect, or the other way round": """
        SELECT i.id FROM processing_inboxevent i LEFT JOIN game_events g ON g.event_id = i.id
        WHERE (i.status = 'processed') <> (g.event_id IS NOT NULL)""",
    "failed events without dead letter, or the other way round": """
        SELECT i.id FROM processing_inboxevent i LEFT JOIN processing_deadletter d ON d.event_id = i.id
        WHERE (i.status = 'failed') <> (d.event_id IS NOT NULL)""",
    "seqs that two events own": """
        SELECT min(id) FROM processing_inboxevent WHERE status <> 'skipped' AND seq IS NOT NULL
        GROUP BY user_id, seq HAVING count(*) > 1""",
}


def open_letters() -> list[str]:
    return column("SELECT event_id FROM processing_deadletter WHERE discarded_at IS NULL ORDER BY event_id")


class Day:
    """What happens to two users, at random. On a calm one nothing is passed, so that all must take effect in order."""

    def __init__(self, seed: int, settings: Settings) -> None:
        self.chance = random.Random(seed)
        self.settings = settings
        self.is_calm = seed % 3 == 0
        self.seqs: Counter[str] = Counter()
        self.sent: list[bytes] = []
        self.lost: list[bytes] = []  # batches that were stored by a consumer that died before all else
        self.did: list[object] = []
        always = [self.come, self.come, self.retry, self.sweep, self.replay, self.pause, self.resume, self.tend]
        rough = [self.discard, self.undo, self.pass_gaps, self.set_lane, self.declare]
        self.acts: list[Callable[[], object]] = always * 3 + ([] if self.is_calm else rough)

    def act(self) -> None:
        act = self.chance.choice(self.acts)
        self.did.append((act.__name__, act()))

    def come(self) -> str:
        """New ones, some of them again, in any order; stored by a file's run or by a consumer, which may die."""
        fresh = [self._event(len(self.sent) + n) for n in range(self.chance.randint(1, 6))]
        self.sent += fresh
        batch = [*fresh, *self.chance.sample(self.sent, min(len(self.sent), self.chance.choice([0, 0, 2])))]
        self.chance.shuffle(batch)
        how = self.chance.choice(["consumer", "consumer", "file", "dead consumer"])
        if how == "consumer":
            store(*batch)
        else:
            read = batch_of(*batch)
            process_batch(read.arrivals, read.poisons, comes_again=how == "dead consumer")
            self.lost += batch if how == "dead consumer" else []
        return f"{how}: {batch}"

    def _event(self, number: int) -> bytes:
        user = self.chance.choice(USERS)
        payload: dict[str, Any] = {}
        if self.chance.random() < 0.85:
            self.seqs[user] += 1 if self.is_calm else self.chance.choice([1, 1, 1, 1, 2])
            payload["seq"] = self.seqs[user]
            if not self.is_calm and self.chance.random() < 0.1:
                payload["seq"] = self.chance.randint(1, self.seqs[user])
        fails = self.chance.choice([0, 0, 0, 0, 1, 2, 3, 5])
        return value(f"{user}{number}", user, type=self.chance.choice("tttx"), fails=fails, **payload)

    def retry(self) -> int:
        return retry_all()

    def sweep(self) -> None:
        sweeper.rescue_lanes()
        sweeper.rescue_hot_state()

    def replay(self) -> list[str]:
        ids = open_letters()
        ids = self.chance.sample(ids, self.chance.randint(0, len(ids)))
        if self.chance.random() < 0.5:
            mend(ids)
        replays.replay(ids=ids, actor="ada")
        if self.chance.random() < 0.5:
            release.run_due(ids)
        return ids

    def discard(self) -> list[str]:
        ids = open_letters()[:1]
        actions.discard(ids=ids, actor="ada")
        return ids

    def undo(self) -> list[str]:
        ids = column("SELECT event_id FROM processing_deadletter WHERE discarded_at IS NOT NULL LIMIT 1")
        actions.undo_discard(ids=ids, actor="ada")
        return ids

    def pause(self) -> str:
        kind = self.chance.choice(KINDS)
        with suppress(Refused):
            pause(kind)
        return kind

    def resume(self) -> None:
        for kind in states():
            with suppress(Refused):
                resume(kind)

    def tend(self) -> None:
        tend_kinds()

    def pass_gaps(self) -> list[str]:
        users = list(Lane.objects.filter(waits_for="gap").values_list("user_id", flat=True))
        for user in users:
            gaps.pass_gap(user)
        return users

    def set_lane(self) -> str:
        user = self.chance.choice(USERS)
        seq = self.chance.randint(1, self.seqs[user] + 1)
        return str(set_lane(user, seq, replay=self.chance.random() < 0.5, actor="ada"))

    def declare(self) -> object:
        self.settings.FAMILY_ON_FAILURE = self.chance.choice([{}, {"flaky": "park"}])
        return self.settings.FAMILY_ON_FAILURE

    def end(self) -> bool:
        """All is mended, resumed and replayed once; whether nothing waits any more."""
        self.resume()
        mend(column("SELECT id FROM processing_inboxevent"))
        if ids := open_letters():
            replays.replay(ids=ids, actor="ada")
        let_pass(3_600)
        self.tend()
        self.retry()
        self.sweep()
        if not self.is_calm:
            self.pass_gaps()
        waiting = InboxEvent.objects.filter(status__in=["held", "retrying"]).exists()
        return not (waiting or states() or open_letters())


def mend(ids: list[str]) -> None:
    """These fail no more."""
    flaky.runs.update(dict.fromkeys(ids, 99))


def check(day: Day) -> None:
    for what, wrong in WRONG.items():
        assert column(wrong) == [], f"{what}, after {day.did}"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_all_is_final_in_the_end(seed: int, settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "PATIENCE_S", 0)
    flaky.runs.clear()
    settings.FAMILY_ON_FAILURE = {"flaky": "park"}
    settings.RETRY_MAX_RETRIES = seed % 2
    day = Day(seed, settings)
    for _ in range(STEPS):
        day.act()
        check(day)
    store(*day.lost)
    ended = False
    for _ in range(STEPS):
        ended = ended or day.end()
        check(day)
    assert ended, day.did
    for user in USERS:
        seqs = column("SELECT seq FROM game_events WHERE player_id = %s AND seq IS NOT NULL ORDER BY id", user)
        if day.is_calm:
            assert seqs == list(range(1, day.seqs[user] + 1)), day.did
        owned = (
            "SELECT seq FROM processing_inboxevent WHERE user_id = %s AND status = 'processed' AND seq > 0 ORDER BY seq"
        )
        assert [int(seq) for seq in redis.lrange(f"order:{user}", 0, -1)] == column(owned, user), day.did
