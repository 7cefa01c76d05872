"""Runs in a process of its own, on the database of its environment: opens the operator's pages."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from statistics import median

import django

django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from processing.models import FailureGroup  # noqa: E402
from tests.support.operator_pages import change, changelist  # noqa: E402
from tests.support.plans import plans_of  # noqa: E402

TIMES = 5
LETTER = "dead-00000042"
TERMS = ("dead-0000", LETTER, "user-12345", "user-hot", "type-1", "type-rare", "KeyError", "shop.events:7", "nothing")


def pages() -> Iterator[str]:
    yield from (reverse("admin:index", query={"period": period}) for period in ("hour", "day", "week"))
    yield from (f"/admin/live/{query}" for query in ("", "?user=user-hot", "?kind=game/type-rare", "?status=held"))
    for model in admin.site._registry:
        yield changelist(model._meta.model_name or "", model._meta.app_label)
    for name in ("inboxevent", "deadletter"):
        yield from (changelist(name, q=term) for term in TERMS)
        yield changelist(name, type="type-1")
        yield changelist(name, p="50")
        yield changelist(name, time="1h")
    for status in ("processed", "failed", "held", "retrying", "skipped"):
        yield changelist("inboxevent", status=status)
        yield changelist("inboxevent", status=status, family="game")
    yield changelist("inboxevent", user="user-hot")
    yield changelist("inboxevent", user="user-hot", status="failed")
    yield changelist("inboxevent", family="game", type="type-rare")
    yield changelist("inboxevent", status="processed", type="type-gone")
    yield changelist("deadletter", state="discarded")
    yield changelist("deadletter", reason="poison")
    yield from (changelist(name, q="user-12345") for name in ("lane", "passedgap"))
    yield from (changelist(name, "ingest", q="user-12345") for name in ("gameevent", "productevent"))
    yield from (changelist(name, "revenue", q="user-12345") for name in ("userrevenue", "ledgerentry"))
    yield changelist("operatoraction", q=LETTER)
    yield changelist("failuregroup", q="shop.events:7")
    yield change("inboxevent", LETTER)
    yield change("deadletter", LETTER)
    yield change("lane", "user-12345")
    yield change("lane", "user-hot")
    yield change("failuregroup", FailureGroup.objects.earliest("pk").pk)


def main() -> None:
    client = Client(raise_request_exception=True)
    client.force_login(User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)[0])
    for url in pages():
        cpu_s = time.process_time()
        took = [_ms(lambda url=url: _open(client, url)) for _ in range(TIMES)]  # type: ignore[misc]
        cpu_ms = (time.process_time() - cpu_s) / TIMES * 1000
        plans = plans_of(lambda url=url: _open(client, url))  # type: ignore[misc]
        nodes = [(node.rows + node.removed, str(node)) for plan in plans for node in plan]
        told = {
            "page": url,
            "first": took[0],
            "ms": median(took),
            "cpu_ms": cpu_ms,
            "most": max(nodes)[1] if nodes else "nothing",
        }
        print(json.dumps(told), flush=True)


def _open(client: Client, url: str) -> None:
    response = client.get(url)
    assert response.status_code in (200, 302, 429), f"{url}: {response.status_code}"


def _ms(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
