"""Events that handlers emit: they commit with their handler, and go to Kafka in a user's order, under one id."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from django.conf import settings as site
from pytest_django import Settings

from processing.domain.compose import kind_of_schema
from processing.domain.decode import decode_envelope
from processing.domain.effects import emit, token_of
from processing.domain.envelope import Envelope, Event
from processing.domain.families import replace
from processing.domain.messages import Arrival, Message
from processing.engine import enqueue
from processing.engine.after_commit import after_commit
from processing.engine.process_batch import process_batch
from processing.kafka import clients, follow_ups
from processing.kafka.clients import ensure_topics
from processing.models import Effect
from processing.postgres import effects
from processing.postgres.elapsed import let_pass
from processing.testing import Pipeline
from processing.testing.failing import put_handler
from tests.pipeline.log import read_all
from tests.support.warehouse.events import LabelPrinted, ParcelPacked

pytestmark = pytest.mark.django_db(transaction=True)

AWAY_S = 0.2  # until a broker that is not there is known not to be
Handler = Callable[[Sequence[Event[ParcelPacked]]], None]


@pytest.fixture
def topic(topics: Callable[..., str], settings: Settings) -> str:
    settings.KAFKA_EVENTS_TOPIC = topics("events", partitions=3)
    return str(settings.KAFKA_EVENTS_TOPIC)


@pytest.fixture
def pipeline(messages: list[str]) -> Pipeline:
    return Pipeline()


@pytest.fixture
def handled_by() -> object:
    """Have parcels handled by another function, for this test."""
    undo = []

    def put(handler: Handler) -> None:
        kind = kind_of_schema(ParcelPacked)
        undo.append((put_handler(kind, handler), kind))

    yield put
    for new, old in reversed(undo):
        replace(new, old)


def written(topic: str) -> list[tuple[bytes | None, Envelope]]:
    found = read_all(str(site.KAFKA_BOOTSTRAP_SERVERS), topic)
    return [(message.key(), decode_envelope(message.value() or b"")) for message in found]


def emitted() -> list[str]:
    return list(Effect.objects.filter(name="emit").order_by("id").values_list("token", flat=True))


class TestEmit:
    def test_it_commits_with_its_handler_under_an_id_that_is_derived(self, pipeline: Pipeline) -> None:
        pipeline.apply(ParcelPacked(number=1, labels=2), id="a")
        assert emitted() == [token_of("a", "emit 0"), token_of("a", "emit 1")]

    def test_it_is_rolled_back_with_its_handler(self, pipeline: Pipeline) -> None:
        """The call is made again for each half, so that what the others emit counts once."""
        batch = [pipeline.event(ParcelPacked(number=n, labels=1, broken=n == 2), id=f"p{n}") for n in (1, 2, 3)]
        pipeline.apply_batch(batch)
        assert emitted() == [token_of("p1", "emit 0"), token_of("p3", "emit 0")]

    @pytest.mark.parametrize(
        ("emit_it", "error"),
        [
            (lambda cause: emit({"number": "one"}, cause=cause, type="label.printed"), "Invalid: payload.number: "),
            (
                lambda cause: emit({"number": 1}, cause=cause, type="label.lost"),
                "no event type 'label.lost' is declared",
            ),
            (lambda cause: emit(LabelPrinted(number=1), cause=cause, user=" "), "Invalid: userId: is blank"),
            (lambda cause: [emit(LabelPrinted(number=1), cause=cause, name="x") for _ in "ab"], "emitted 'x' already"),
        ],
    )
    def test_what_the_door_would_refuse_fails_in_the_handler(
        self, emit_it: Callable[[Event], object], error: str, pipeline: Pipeline, handled_by: Callable[[Handler], None]
    ) -> None:
        def handle(events: Sequence[Event[ParcelPacked]]) -> None:
            for event in events:
                emit_it(event)

        handled_by(handle)
        outcome = pipeline.apply(ParcelPacked(number=1))
        assert outcome.status == "retrying"
        assert error in (outcome.error or "")
        assert emitted() == []

    def test_it_belongs_to_a_handler_and_one_of_its_events(
        self, pipeline: Pipeline, handled_by: Callable[[Handler], None]
    ) -> None:
        other = pipeline.event(ParcelPacked(number=1), id="other")
        with pytest.raises(RuntimeError, match="call it in a handler"):
            emit(LabelPrinted(number=1), cause=other)

        def handle(events: Sequence[Event[ParcelPacked]]) -> None:
            emit(LabelPrinted(number=1), cause=other)

        handled_by(handle)
        assert "'other' is none of the events" in (pipeline.apply(ParcelPacked(number=1)).error or "")

    @pytest.mark.usefixtures("redis")
    def test_a_commit_sends_a_message(self, pipeline: Pipeline, messages: list[str], topic: str) -> None:
        event = pipeline.event(ParcelPacked(number=1, labels=1))
        after_commit(process_batch([Arrival(event, Message(None, None, 0, None, None))], []))
        assert messages == [enqueue.RUN_EFFECTS, enqueue.PUBLISH_FOLLOW_UPS]


@pytest.mark.usefixtures("redis")
class TestKafka:
    def test_they_come_in_the_order_of_their_user(self, pipeline: Pipeline, topic: str) -> None:
        for n in range(1, 4):
            for user in "uvw":
                pipeline.apply(ParcelPacked(number=n, labels=2), user=user, id=f"{user}{n}", seq=n)
        assert follow_ups.publish_follow_ups() == 18
        assert follow_ups.publish_follow_ups() == 0
        found = written(topic)
        for user in "uvw":
            own = [envelope.id for key, envelope in found if key == user.encode()]
            assert own == [token_of(f"{user}{n}", f"emit {place}") for n in (1, 2, 3) for place in (0, 1)]
        assert set(Effect.objects.filter(name="emit").values_list("status", "value")) == {("done", None)}

    def test_one_that_is_sent_twice_has_one_id(self, pipeline: Pipeline, topic: str) -> None:
        """The first who claimed it died before it was recorded."""
        pipeline.apply(ParcelPacked(number=1, labels=1), id="a")
        claimed = effects.claim(10, follow_ups=True)
        assert claimed is not None
        follow_ups._produce(claimed)
        assert follow_ups.publish_follow_ups() == 0
        let_pass(60)
        assert follow_ups.publish_follow_ups() == 1
        assert [envelope.id for _, envelope in written(topic)] == [token_of("a", "emit 0")] * 2

    def test_while_kafka_is_away_they_wait_which_is_no_try(
        self, pipeline: Pipeline, topic: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pipeline.apply(ParcelPacked(number=1, labels=1), id="a")
        here = settings.KAFKA_CLIENT_CONFIG
        settings.KAFKA_CLIENT_CONFIG = {**here, "bootstrap.servers": "127.0.0.1:1"}
        follow_ups._producer.cache_clear()
        with monkeypatch.context() as impatient:
            impatient.setattr(clients, "ensure_topics", lambda names: ensure_topics(names, AWAY_S))
            assert follow_ups.publish_follow_ups() == 0
        assert Effect.objects.filter(name="emit").values_list("status", "attempts").get() == ("waiting", 0)
        settings.KAFKA_CLIENT_CONFIG = here
        let_pass(60)
        assert follow_ups.publish_follow_ups() == 1
        assert [envelope.id for _, envelope in written(topic)] == [token_of("a", "emit 0")]

    def test_a_users_later_one_waits_for_the_one_that_somebody_else_has_claimed(
        self, pipeline: Pipeline, topic: str
    ) -> None:
        pipeline.apply(ParcelPacked(number=1, labels=1), id="a", seq=1)
        claimed = effects.claim(10, follow_ups=True)
        assert claimed is not None
        pipeline.apply(ParcelPacked(number=2, labels=1), id="b", seq=2)
        assert follow_ups.publish_follow_ups() == 0
        effects.end_done([claimed[0].id])
        assert follow_ups.publish_follow_ups() == 1

    def test_one_that_the_topic_never_takes_is_a_dead_letter_and_holds_up_nobody(
        self, pipeline: Pipeline, topic: str
    ) -> None:
        for id in "ab":
            pipeline.apply(ParcelPacked(number=1, labels=1), id=id)
        first = Effect.objects.filter(name="emit").earliest("id")
        first.value = bytes(first.value or b"") + b" " * 1_200_000
        first.save()
        follow_ups.publish_follow_ups()
        assert Effect.objects.get(pk=first.pk).status == "failed"
        let_pass(60)
        follow_ups.publish_follow_ups()
        assert [envelope.id for _, envelope in written(topic)] == [token_of("b", "emit 0")]
