"""Rounds of measurements: every part on every revision, one right after the other, the order turned each time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from confluent_kafka import Consumer, TopicPartition

from bench.events import Kind, records
from bench.measure import Measurement
from bench.parts import PARTS
from bench.processes import RunFailed
from bench.revisions import Revision
from bench.services import Services
from bench.site import PARTITIONS, site
from tests.pipeline.log import Topic

WARM_UP = 100_000  # messages
WARM_UP_S = 20.0
FEW = 20
READ_S = 0.1


@dataclass(frozen=True)
class Run:
    """`round` counts from 1; `part` is a name in PARTS."""

    round: int
    part: str
    revision: str
    measured: Measurement


@dataclass(frozen=True)
class Spread:
    least: float
    median: float
    most: float

    def is_beyond(self, other: Spread) -> bool:
        """Whether each one's median lies outside of what the other has shown."""
        return not (other.least <= self.median <= other.most or self.least <= other.median <= self.most)


def spread(values: Sequence[float]) -> Spread:
    return Spread(min(values), median(values), max(values))


def run_rounds(
    services: Services,
    revisions: Sequence[Revision],
    parts: Sequence[str],
    *,
    rounds: int,
    events: int | None,
    failures: list[str],
) -> Iterator[Run]:
    """`events`: instead of each part's own number. A run that failed goes to `failures`; the others go on."""
    for number in range(1, rounds + 1):
        in_turn = revisions if number % 2 else revisions[::-1]
        for part in parts:
            for revision in in_turn:
                named = f"round {number} of {rounds}, {PARTS[part].title}, {revision.label}"
                size = events or PARTS[part].events
                if measured := attempt(named, partial(_measure, services, revision, part, size), failures):
                    yield Run(number, part, revision.label, measured)


def attempt(named: str, measure: Callable[[], Measurement], failures: list[str]) -> Measurement | None:
    """Measure, and tell whoever waits. A run that failed goes to `failures`: None."""
    say(f"{named} …")
    try:
        measured = measure()
    except RunFailed as error:
        failures.append(f"{named}: {error}")
        say(f"  FAILED: {error}")
        return None
    say(f"  {measured.rate:,.0f}/s in {measured.seconds:.2f} s, {measured.all_cpu_us:.1f} µs of CPU each")
    return measured


def _measure(services: Services, revision: Revision, part: str, events: int) -> Measurement:
    with site(services, revision) as at:
        return PARTS[part].measure(at, events)


def warm_up(services: Services, events: int) -> None:
    """Kafka's own code is compiled before anything is measured: much is written at once, then little again and again,
    which is read and committed."""
    say("Kafka warms up")
    topic = Topic(services.kafka, "warm-up", "warm-up", PARTITIONS)
    messages = records(Kind.PLAIN, min(WARM_UP, events))
    topic.produce(messages)
    reader = Consumer({"bootstrap.servers": services.kafka, "group.id": topic.group, "enable.auto.commit": False})
    reader.assign([TopicPartition(topic.name, number, 0) for number in topic.partitions])
    until = time.monotonic() + (WARM_UP_S if services.real_kafka else 0)
    while time.monotonic() < until:
        topic.produce(messages[:FEW])
        if reader.consume(FEW, READ_S):
            reader.commit(asynchronous=False)
    reader.close()
    topic.close()


def say(line: str) -> None:
    """To whoever waits; the tables alone go to the standard output."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
