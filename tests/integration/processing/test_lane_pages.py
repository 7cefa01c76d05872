"""The lanes' pages and `set_lane`, and the record of passed gaps."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from redis import Redis

from processing.background.state import count_if_due
from processing.domain.lanes import PassableGaps
from processing.engine import release
from processing.models import Lane, PassedGap
from tests.support import gaps
from tests.support.dead import consume
from tests.support.factories import envelope
from tests.support.operator_pages import change, client_of, listed, page, said

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_tries", "hints_off")]


def numbered(*seqs: int) -> list[bytes]:
    return [envelope(f"e-{seq}", seq=seq) for seq in seqs]


def front() -> int:
    return Lane.objects.get().next_seq


def pass_gap() -> None:
    """What the consumer does at the end of the log, and a worker afterwards."""
    assert gaps.pass_gap("u-1") == 1


# --- passed gaps ---


def test_a_passed_gap_leaves_a_row(redis: Redis) -> None:
    consume(*numbered(1, 4))
    assert release.pass_gaps([PassableGaps("u-1", 3, 4)]) == 0, "it was set back since"
    assert not PassedGap.objects.exists()
    pass_gap()
    gap = PassedGap.objects.get()
    assert (gap.user_id, gap.first_seq, gap.last_seq) == ("u-1", 2, 3)
    assert gap.waited_ms >= 0


# --- the command and the page ---


def test_the_command_says_what_it_does(redis: Redis) -> None:
    consume(*numbered(1, 3))
    out = StringIO()
    call_command("set_lane", "u-1", "3", "--dry-run", stdout=out)
    assert front() == 2
    call_command("set_lane", "u-1", "3", stdout=out)
    assert front() == 3
    assert out.getvalue().splitlines() == [
        "would do: the lane of 'u-1' goes from 2 to 3",
        "the lane of 'u-1' goes from 2 to 3",
    ]
    with pytest.raises(CommandError, match="has no lane"):
        call_command("set_lane", "nobody", "3")


def test_the_page_says_what_it_will_do_and_does_it(redis: Redis, operator: Client) -> None:
    consume(*numbered(1, 3, 5))
    lane = change("lane", "u-1")
    url = reverse("admin:processing_lane_set", args=["u-1"])
    assert url in page(operator, lane)
    asked = page(operator, f"{url}?seq=5")
    assert "goes from 2 to 5; held events below, which end as skipped: 1" in asked
    assert front() == 2
    response = operator.post(url, {"seq": "5"}, follow=True)
    assert said(response) == ["The lane of 'u-1' goes from 2 to 5; held events below, which end as skipped: 1."]
    assert front() == 5
    assert "ada: set lane to 5" in page(operator, lane)
    assert said(operator.get(f"{url}?seq=1e3", follow=True)) == ["A lane's next seq is a positive integer."]


def test_who_may_only_look_sets_no_lane(redis: Redis) -> None:
    consume(*numbered(1, 3))
    viewer = client_of("eve", may=["view_lane"])
    url = reverse("admin:processing_lane_set", args=["u-1"])
    assert url not in page(viewer, change("lane", "u-1"))
    assert viewer.get(f"{url}?seq=3").status_code == 403
    assert viewer.post(url, {"seq": "3"}).status_code == 403
    assert front() == 2


def test_passed_gaps_are_on_the_lanes_page_in_a_list_and_a_metric(redis: Redis, operator: Client) -> None:
    consume(*numbered(1, 4))
    pass_gap()
    assert "seq 2 to 3, at " in page(operator, change("lane", "u-1"))
    everything = reverse("admin:processing_passedgap_changelist")
    assert listed(operator, everything) == [str(PassedGap.objects.get().pk)]
    assert listed(operator, f"{everything}?user=u-2") == []
    assert page(operator, change("passedgap", PassedGap.objects.get().pk))
    assert count_if_due()
    assert "processing_passed_gaps 1.0" in page(operator, "/metrics")
