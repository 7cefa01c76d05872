"""The live page: the newest events, by kind, user and outcome; so many rows, and so many pages at a time."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from processing.admin import live
from tests.support import flaky
from tests.support.batches import value
from tests.support.dead import consume, fail_for_good
from tests.support.operator_pages import client_of, page

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("two_tries", "hints_off", "published"),
]
LIVE = "/admin/live/"


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    flaky.runs.clear()
    monkeypatch.setattr(live, "_watchers", live.Watchers(live.MOST_PAGES))
    monkeypatch.setattr(live, "GONE_S", 600.0)


def shown(client: Client, query: str = "?") -> list[str]:
    """The ids of its rows."""
    return re.findall(r'data-id="([^"]*)"', page(client, f"{LIVE}{query}&page=test"))


def test_it_shows_the_newest_first_by_kind_user_and_outcome(operator: Client) -> None:
    consume(value("a", user="u-1"), value("b", user="u-2", family="game", type="move", data={}))
    consume(value("c", user="u-2", family=None, type="page.viewed"))
    fail_for_good(value("d", user="u-1", fails=99))
    assert shown(operator)[:2] == ["d", "c"]
    assert sorted(shown(operator)[2:]) == ["a", "b"]  # of one batch
    assert shown(operator, "?user=u-2") == ["c", "b"]
    assert shown(operator, "?kind=game") == shown(operator, "?kind=game/move") == ["b"]
    assert shown(operator, "?kind=/page.viewed") == ["c"]
    assert shown(operator, "?status=failed") == shown(operator, "?status=failed&user=u-1&kind=flaky/t") == ["d"]
    assert (
        shown(operator, "?status=failed&user=u-2") == shown(operator, "?user=%00") == shown(operator, "?kind=x") == []
    )


def test_what_it_shows_is_text(operator: Client) -> None:
    consume(value("<b>", user="<i>u</i>"))
    assert "<i>u" not in page(operator, LIVE)
    assert shown(operator, "?user=%3Ci%3Eu%3C/i%3E") == ["&lt;b&gt;"]


def test_the_part_that_changes_comes_alone(operator: Client) -> None:
    consume(value("a"))
    part = page(operator, f"{LIVE}?page=mine")
    assert 'data-id="a"' in part
    assert "<html" not in part


def test_a_ninth_page_is_told_so_and_begins_when_another_is_closed(operator: Client) -> None:
    for number in range(live.MOST_PAGES):
        assert operator.get(f"{LIVE}?page={number}").status_code == 200
    assert operator.get(f"{LIVE}?page=0").status_code == 200
    ninth = operator.get(f"{LIVE}?page=ninth")
    assert ninth.status_code == 429
    assert b"8 live pages are open" in ninth.content


def test_whoever_may_not_see_events_sees_none() -> None:
    assert client_of("eve", may=["view_lane"]).get(LIVE).status_code == 403
    assert Client().get(f"{LIVE}?page=mine").status_code == 302
