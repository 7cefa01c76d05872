"""How fast one web process takes events, and how soon they are in Postgres and Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.client import request, send_all
from bench.events import body, single
from bench.figures import Figure
from bench.site import Services, peak_mb, site, start_consumer, start_web, wait_until_committed, web_port

PER_CALL = 500
BATCH_SENDERS = 4
SINGLE_SENDERS = 32
END_TO_END_SENDERS = 20
PEAK_MB = 300


def batches(services: Services, events: int) -> Iterator[Figure]:
    with site(services, "batches") as stack:
        web = start_web(stack)
        requests = _batches(events)
        send_all(web_port(stack), requests[:4], BATCH_SENDERS)
        seconds = send_all(web_port(stack), requests, BATCH_SENDERS)
        yield Figure("POST /events/batch of 500, one web process", events / seconds, "events/s", 25_000)
        yield Figure("  its peak memory, batches", peak_mb(web), "MB", PEAK_MB, at_most=True)


def singles(services: Services, events: int) -> Iterator[Figure]:
    with site(services, "singles") as stack:
        web = start_web(stack)
        requests = [request("/events", single(number)) for number in range(events)]
        send_all(web_port(stack), requests[:SINGLE_SENDERS], SINGLE_SENDERS)
        seconds = send_all(web_port(stack), requests, SINGLE_SENDERS)
        yield Figure(f"POST /events, {SINGLE_SENDERS} connections", events / seconds, "events/s")
        yield Figure("  its peak memory, singles", peak_mb(web), "MB", PEAK_MB, at_most=True)


def end_to_end(services: Services, events: int) -> Iterator[Figure]:
    with site(services, "end_to_end") as stack:
        processes = {"web": start_web(stack), "worker": stack.start("worker"), "beat": stack.start("beat")}
        processes["consumer"] = start_consumer(stack)
        requests = _batches(events)
        started = time.perf_counter()
        send_all(web_port(stack), requests, END_TO_END_SENDERS)
        accepted = time.perf_counter() - started
        wait_until_committed(stack, events, "end to end")
        seconds = time.perf_counter() - started
        assert stack.count("processing_inboxevent") == events
        yield Figure(f"{events:,} events by batches, until all are accepted", accepted, "s")
        target = 5 * max(1.0, events / 50_000)
        yield Figure(f"{events:,} events by batches, until in Postgres and Redis", seconds, "s", target, at_most=True)
        for name, process in processes.items():
            yield Figure(f"  peak memory of {name}", peak_mb(process), "MB", PEAK_MB, at_most=True)


def _batches(events: int) -> list[bytes]:
    return [request("/events/batch", body(start, PER_CALL)) for start in range(0, events, PER_CALL)]
