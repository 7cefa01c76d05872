"""The admin's pages in a project that is not in English, nor in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from processing.models import InboxEvent, Lane
from tests.support.batches import value
from tests.support.dead import consume
from tests.support.factories import LaneFactory
from tests.support.operator_pages import change, page

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hints_off", "published", "redis")]


@pytest.fixture(autouse=True)
def german(settings: Settings) -> None:
    settings.LANGUAGE_CODE = "de"
    settings.USE_THOUSAND_SEPARATOR = True
    settings.TIME_ZONE = "Asia/Tokyo"


def test_a_lanes_seq_is_sent_back_as_it_is(operator: Client) -> None:
    LaneFactory.create(user_id="u-1", next_seq=12345)
    assert 'value="12345"' in page(operator, change("lane", "u-1"))
    operator.post(reverse("admin:processing_lane_set", args=["u-1"]), {"seq": "12346"})
    assert Lane.objects.get().next_seq == 12346


def test_times_that_are_called_utc_are(operator: Client) -> None:
    consume(value("a"))
    InboxEvent.objects.update(received_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert "2026-01-02 03:04:05.000000 UTC" in page(operator, "/admin/live/")
    told = re.search(r'class="as-of">([^<]*) UTC<', page(operator, "/admin/"))
    assert told is not None
    assert abs(datetime.now(UTC) - datetime.fromisoformat(f"{told[1]}Z")) < timedelta(hours=1)
