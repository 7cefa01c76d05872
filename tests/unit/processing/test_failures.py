"""What failures are grouped by: bounded, whatever senders write."""

from __future__ import annotations

import pytest

from processing.domain.envelope import Invalid
from processing.domain.failures import MOST_CAUSES, OTHER, Cause, Letter, cause_of_poison, grouped


@pytest.mark.parametrize(
    ("path", "message", "place", "reason"),
    [
        ("payload.price", "is missing", "payload.price", "is missing"),
        ("price", "must have at most 2 decimal places", "price", "must have at most … decimal places"),
        ("shippingAddress.zipCode", "is missing", "shippingAddress.zipCode", "is missing"),
        ("payload.metadata.seen[3].at", "has a NUL character", "payload.metadata", "has a NUL character"),
        ("payload.x-4711", "has a NUL character", "payload.…", "has a NUL character"),
        ("anybody's", "has a NUL character", "…", "has a NUL character"),
        ("ce_source", "is not UTF-8", "ce_source", "is not UTF-8"),
        ("ce_other", "is not UTF-8", "…", "is not UTF-8"),
        ("", "is not valid JSON: at byte 17", "", "is not valid JSON: at byte …"),
        ("family", "'fun' is not known", "family", "… is not known"),
    ],
)
def test_a_poison_is_told_by_what_no_sender_chooses(path: str, message: str, place: str, reason: str) -> None:
    assert cause_of_poison(Invalid(path, message)) == Cause(reason, place)


def test_a_kind_has_so_many_groups_and_one_for_all_other_causes() -> None:
    known = [("game", Cause(str(number), "")) for number in range(MOST_CAUSES - 1)]
    new = [Letter(id, kind, Cause(id, "")) for id, kind in (("a", "game"), ("b", "game"), ("b", "product"))]
    again = Letter("c", "game", Cause("7", ""))
    assert grouped([*new, again], known) == [
        ("game", Cause("a", "")),
        ("game", OTHER),
        ("product", Cause("b", "")),
        ("game", Cause("7", "")),
    ]
    assert grouped([again], [*known, ("game", Cause("a", "")), ("game", OTHER)]) == [("game", Cause("7", ""))]
