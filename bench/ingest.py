"""How fast one web process takes events, and how soon they are in Postgres and Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from bench.client import Sender
from bench.events import batches, products, singles
from bench.measure import Measurement, Meter
from bench.site import Site
from bench.slow import SlowClients

PATH = ("web", "consumer", "worker", "beat")


@dataclass(frozen=True)
class Posts:
    """Requests for so many events, from so many connections; `first` events are sent before those that count."""

    requests: Callable[[int], list[bytes]]
    connections: int
    first: int


BATCHES = Posts(batches, connections=20, first=2_000)
PRODUCTS = Posts(products, connections=20, first=2_000)
SINGLES = Posts(singles, connections=32, first=200)


def to_the_end(site: Site, events: int, posts: Posts, processes: Sequence[str] = PATH) -> Measurement:
    """Until all are in Postgres and Redis and the lag is 0."""
    site.start(*processes)
    with _warm(site, posts, events) as sender:
        site.wait_until_drained(posts.first)
        site.wait_until_quiet()
        meter = Meter(site.pids)
        sent = sender.send()
        site.wait_until_drained(posts.first + events)
        measured = meter.stop(events, load_s=sent.cpu_s, answers_s=sent.answers_s)
    site.require_final(posts.first + events)
    if posts is PRODUCTS:
        site.require_value("SELECT count(*) FROM product_events", posts.first + events)
    return measured


def taken(site: Site, events: int, posts: Posts, slow: int = 0) -> Measurement:
    """Until all are answered, with nobody but the web server at work; beside so many slow clients."""
    site.start("web")
    with _warm(site, posts, events) as sender, SlowClients(site.web_port, slow) if slow else nullcontext():
        site.wait_until_quiet()
        meter = Meter(site.pids)
        sent = sender.send()
        measured = meter.stop(events, load_s=sent.cpu_s, answers_s=sent.answers_s)
    site.require_logged(posts.first + events)
    return measured


def _warm(site: Site, posts: Posts, events: int) -> Sender:
    """Send the first ones; returns the sender of the others, its connections open."""
    requests = posts.requests(posts.first + events)
    first = len(posts.requests(posts.first))
    site.wait_until_web_is_ready()
    with Sender(site.web_port, requests[:first], posts.connections, posts.first) as sender:
        sender.send()
    return Sender(site.web_port, requests[first:], posts.connections, events)
