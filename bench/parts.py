"""What can be measured, by the name that PARTS= and --part take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench import consume, files, ingest
from bench.events import Kind
from bench.ingest import BATCHES, PRODUCTS, SINGLES
from bench.measure import Measurement
from bench.site import Site


@dataclass(frozen=True)
class Part:
    """`events`: its size by default; `target`: events per second that the project promises."""

    title: str
    events: int
    measure: Callable[[Site, int], Measurement]
    target: float | None = None


PARTS = {
    "consumer": Part("consumer, plain", 80_000, partial(consume.measure, kind=Kind.PLAIN), 25_000),
    "numbered": Part("consumer, half with `seq`", 60_000, partial(consume.measure, kind=Kind.NUMBERED), 15_000),
    "games": Part("consumer, game events", 60_000, partial(consume.measure, kind=Kind.GAMES)),
    "batches": Part("`POST /events/batch` until lag 0", 40_000, partial(ingest.to_the_end, posts=BATCHES), 10_000),
    "products": Part("`POST /product-events` until lag 0", 20_000, partial(ingest.to_the_end, posts=PRODUCTS)),
    "singles": Part("`POST /events`", 4_000, partial(ingest.taken, posts=SINGLES)),
    "process_events": Part("`process_events`, new lines", 100_000, files.new_lines, 30_000),
    "two_consumers": Part("two consumers", 80_000, partial(consume.measure, kind=Kind.PLAIN, consumers=2)),
    "four_consumers": Part("four consumers", 80_000, partial(consume.measure, kind=Kind.PLAIN, consumers=4)),
    "stored": Part("topic to rows in Postgres, 1 % of the events twice", 100_000, consume.stored),
    "intake": Part("`POST /events/batch`, answers only", 60_000, partial(ingest.taken, posts=BATCHES), 25_000),
    "slow": Part("`POST /events` beside 500 slow clients", 4_000, partial(ingest.taken, posts=SINGLES, slow=500)),
    "known": Part("`process_events`, known lines", 100_000, files.known_lines),
}
# what is measured unless PARTS= says otherwise: with another revision, and alone
AGAINST = ("consumer", "numbered", "games", "batches", "products", "singles", "process_events")
ALONE = (*AGAINST, "intake", "slow", "known")
