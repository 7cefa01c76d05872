"""What outlives the door's Redis: reservations, and no window of a rate limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from redis import Redis

from eventsite.local.services.valkey import Valkey
from ingest.parsing.candidate import Candidate
from ingest.publishing import reservations
from ingest.publishing.submission import Submission

EVENT = Candidate("id", "u", "t", 5, b"value", known_before=True, key="idem:k", digest="d")


def test_the_servers_log_has_what_is_reserved_and_no_window(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservations, "WINDOW_US", 600_000_000)
    monkeypatch.setattr(reservations, "RESERVATION_MS", 600_000)
    settings.RATE_LIMIT_PER_IP = 100
    with Valkey(tmp_path / "redis") as service:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": service.address}}
        reservations.reserve([Submission("token", "request", [EVENT], "", 0.0, "address", counts=True)])
        with Redis.from_url(service.address) as redis:
            windows = [b"rate:ip:address", b"rate:u"]
            assert sorted(redis.scan_iter()) == [b"idem:k", *windows, b"reserved:id"]
            service.start_again()
            assert sorted(redis.scan_iter()) == [b"idem:k", b"reserved:id"]
        caches["default"].close()
