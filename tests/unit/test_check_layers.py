"""The rules that .ci/check_layers.py holds, each broken once."""

from __future__ import annotations

import runpy

import pytest

from tests.paths import ROOT

find = runpy.run_path(str(ROOT / ".ci" / "check_layers.py"))["find"]

SET_STATUS = 'SQL = """UPDATE processing_inboxevent i SET attempts = 1, {} FROM x WHERE i.id = x.id"""'


@pytest.mark.parametrize(
    ("file", "source", "remedy"),
    [
        ("processing/operators/a.py", "from django.db import connection", "processing/postgres"),
        ("processing/operators/a.py", "from django import db\n\ndb.connections.all()", "processing/postgres"),
        ("processing/background/a.py", "cursor.execute(sql)", "processing/postgres"),
        ("processing/kafka/a.py", "with connection.cursor() as cursor: pass", "processing/postgres"),
        ("ingest/health/a.py", "cursor.executemany(sql, rows)", "processing/postgres"),
        ("ingest/http/a.py", "cursor.copy('COPY t FROM STDIN')", "processing/postgres"),
        ("processing/engine/a.py", "from processing.postgres.transaction import raw_cursor", "processing/postgres"),
        ("processing/engine/a.py", "from redis import Redis, RedisError", "processing/hot_state"),
        ("ingest/health/a.py", "from django_redis import get_redis_connection", "processing/hot_state"),
        ("eventsite/a.py", "import redis.asyncio", "processing/hot_state"),
        ("processing/domain/a.py", "from django.db.models import TextChoices", "plain values"),
        ("processing/postgres/a.py", SET_STATUS.format("status = 'failed'"), "change_statuses"),
        ("ingest/families/a.py", SET_STATUS.format("version = i.version + 1"), "change_statuses"),
    ],
)
def test_what_stands_in_the_wrong_place_is_named_with_what_to_do(file: str, source: str, remedy: str) -> None:
    (found,) = find(file, f"\n{source}")
    assert str(found).startswith(f"{file}:{2 + source.count(chr(10))}: ")
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("processing/postgres/a.py", "from django.db import connection\ncursor.execute(sql)"),
        ("ingest/families/shop/a.py", "from django.db import connection\nconnection.cursor().execute(sql)"),
        ("revenue/a.py", "from django.db import connection"),
        ("ingest/reading/a.py", "cursor.execute(sql)"),
        ("processing/engine/a.py", "from redis import RedisError\nfrom redis.exceptions import ConnectionError"),
        ("processing/hot_state/a.py", "from redis import Redis"),
        ("processing/operators/a.py", "import copy\nrows.copy()\ncopy.copy(rows)"),
        ("processing/postgres/inbox.py", SET_STATUS.format("status = 'failed'")),
        ("processing/postgres/due.py", SET_STATUS.format("next_attempt_at = now(), error = NULL")),
        ("processing/postgres/lanes.py", "SQL = 'UPDATE processing_lane SET order_version = 1'"),
    ],
)
def test_what_is_in_its_place_is_not(file: str, source: str) -> None:
    assert find(file, source) == []
