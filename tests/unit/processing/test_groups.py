"""Which rights a group of users is given when permissions are made."""

from __future__ import annotations

import pytest

from processing.groups import rights, to_grant

LANE, LOSS, USER = "processing.view_lane", "processing.view_loss", "auth.add_user"


@pytest.mark.parametrize(
    ("before", "after", "held", "granted"),
    [
        ([], [LANE, LOSS], None, {LANE, LOSS}),
        ([USER], [LANE, USER], None, {LANE, USER}),
        ([], [USER], None, set()),
        ([], [LANE], [], set()),
        ([LANE], [LANE, LOSS], [LANE], {LOSS}),
        ([LANE], [LANE, LOSS], [LANE, "shop.add_order"], {LOSS}),
        ([LANE], [LANE, LOSS], [], set()),
        ([LANE], [LANE, LOSS], None, set()),
        ([LANE], [LANE], [LANE], set()),
    ],
    ids=[
        "the first of its rights make it",
        "rights of another app do not: but it is given them",
        "nor do they alone make it",
        "the team's own of that name stays",
        "what is new is given",
        "beside what the team gave",
        "not where the team took one",
        "nor where the team deleted it",
        "nothing is new",
    ],
)
def test_what_is_granted(before: list[str], after: list[str], held: list[str] | None, granted: set[str]) -> None:
    assert to_grant(before, after, held) == granted


def test_whose_a_permission_is() -> None:
    offered = [LANE, "processing.set_lane", "ingest.view_apikey", USER, "shop.view_order", "auth.view_permission"]
    assert rights("viewer", offered) == {LANE}
    assert rights("operator", offered) == {LANE, "processing.set_lane"}
    assert rights("administrator", offered) == {"ingest.view_apikey", USER}
