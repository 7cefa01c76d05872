"""The event families: what a declaration must be, and which event belongs to which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace as changed

import msgspec
import pytest
from pytest_django import Settings

from processing.domain import families as registry
from processing.domain.envelope import Envelope, Event, Invalid
from processing.domain.families import Family, OnFailure, families, get_family, parks_lane, register, replace
from processing.domain.validate import EVERY_TRY, decoded, restore_event
from tests.support.events import checked


class Shot(msgspec.Struct):
    points: int

    def __post_init__(self) -> None:
        if self.points == 13:
            raise Invalid("points", "is unlucky")


class Anything(msgspec.Struct):
    pass


def handle(events: Sequence[Event]) -> None:
    raise AssertionError("nobody handles events here")


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_kinds", {})
    monkeypatch.setattr(registry, "_owners", {})
    register(Family(name="shots", schema=Shot, handler=handle, types=frozenset({"shot"})))
    register(Family(name="open", schema=Anything, handler=handle))
    yield


def envelope(payload: bytes = b'{"points": 3}', *, type: str = "shot", family: str | None = None) -> Envelope:
    return Envelope("e-1", "u-1", type, msgspec.Raw(payload), 5, family)


def test_a_family_is_known_by_its_name() -> None:
    assert [family.name for family in families()] == ["shots", "open"]
    assert get_family("shots").schema is Shot


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (Family(name="shots", schema=Shot, handler=handle), "declared twice"),
        (Family(name="no-identifier", schema=Shot, handler=handle), "must be an identifier"),
        (Family(name="", schema=Shot, handler=handle), "must be an identifier"),
        (
            Family(name="other", schema=Shot, handler=handle, types=frozenset({"shot"})),
            "belongs to 'shots', 'other' cannot own it too",
        ),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_loudly(family: Family, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        register(family)


def test_its_failures_do_one_of_two_things() -> None:
    with pytest.raises(ValueError, match="on_failure must be one of fail, park, not 'wait'"):
        Family(name="shots", schema=Shot, handler=handle, on_failure="wait")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declared", "said", "seq", "parks"),
    [
        ("fail", {}, 1, False),
        ("park", {}, 1, True),
        ("park", {}, None, False),  # it is in no lane
        ("fail", {"shots": "park"}, 1, True),  # the site has the last word
        ("park", {"shots": "fail"}, 1, False),
        ("fail", {"open": "park"}, 1, False),
    ],
)
def test_whose_failure_parks_its_lane(
    declared: OnFailure, said: dict[str, str], seq: int | None, parks: bool, settings: Settings
) -> None:
    settings.FAMILY_ON_FAILURE = said
    old = get_family("shots")
    replace(old, changed(old, on_failure=declared))
    event = checked(envelope(b'{"points": 3, "seq": 1}' if seq else b'{"points": 3}'))
    assert parks_lane(event) is parks
    assert not parks_lane(checked(envelope(b'{"seq": 1}', type="other"))), "of no family"


@pytest.mark.parametrize(
    ("read", "family"),
    [
        (envelope(family="shots"), "shots"),  # it names its family
        (envelope(b"{}", type="anything", family="open"), "open"),  # which owns no types, so it takes any
        (envelope(type="shot"), "shots"),  # the family owns its type
        (envelope(type="other"), ""),  # nobody does: recorded, nothing more
    ],
)
def test_which_family_an_event_belongs_to(read: Envelope, family: str) -> None:
    event = checked(read)
    assert event.family == family
    assert event.payload == {"shots": Shot(3), "open": Anything(), "": None}[family]


@pytest.mark.parametrize(
    ("read", "path"),
    [
        (envelope(family="nobody"), "family"),
        (envelope(family=""), "family"),
        (envelope(type="pass", family="shots"), "type"),  # a family that owns types takes no others
        (envelope(b'{"points": "3"}', family="shots"), "payload.points"),
        (envelope(b'{"points": 13}', family="shots"), "payload.points"),  # by the schema's own check
        (envelope(b"{}", family="shots"), "payload.points"),
        (envelope(b"[]", type="other"), "payload"),
        (envelope(b'{"seq": 0}', type="other"), "payload.seq"),
    ],
)
def test_an_event_that_its_family_does_not_know_is_refused(read: Envelope, path: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked(read)
    assert caught.value.path == path


def test_seq_and_fail_belong_to_the_pipeline_and_are_allowed_in_every_payload() -> None:
    event = checked(envelope(b'{"points": 1, "seq": 7, "fail": true}', family="shots"))
    assert (event.seq, event.fails, event.payload) == (7, EVERY_TRY, Shot(1))


@pytest.mark.parametrize(
    ("fail", "fails"),
    [
        (b"6", 6),
        (b"2.5", 0),
        (b"9223372036854775807", EVERY_TRY),
        *((none, 0) for none in (b"0", b"-1", b"false", b'"true"', b'"6"', b"null")),
    ],
)
def test_true_or_a_number_of_tries_asks_for_failures(fail: bytes, fails: int) -> None:
    assert checked(envelope(b'{"fail": ' + fail + b"}", type="other")).fails == fails


def test_an_event_comes_back_from_the_inbox_as_it_was() -> None:
    event = checked(envelope(b'{"points":1,"seq":7,"fail":true}', family="shots"))
    restored = restore_event(event.id, event.user_id, event.type, "shots", 7, event.timestamp, event.payload_json)
    assert decoded(restored) == event
    assert decoded(event) is event


def test_an_event_that_waited_while_its_schema_moved_on_is_invalid_when_it_is_handled() -> None:
    restored = restore_event("e-1", "u-1", "t", "shots", None, 5, b'{"score":1}')
    with pytest.raises(Invalid):
        decoded(restored)
