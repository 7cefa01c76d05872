"""Which requests the event loop takes, and which are Django's."""

from __future__ import annotations

import pytest

from eventsite.intake import LARGE_BYTES, Intake
from eventsite.threads import Threads
from ingest.views import EventBatchView, EventsView, FamilyView
from revenue.views import LiveEventView


@pytest.fixture(scope="module")
def intake() -> Intake:
    return Intake(Threads(0, "none"))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/events", EventsView),
        ("/events/batch", EventBatchView),
        ("/game-events", FamilyView),
        ("/liveEvent", LiveEventView),
    ],
)
def test_what_brings_events_is_taken(intake: Intake, path: str, kind: type) -> None:
    assert type(intake.view("POST", path, {}, LARGE_BYTES)) is kind


def test_each_family_has_its_own(intake: Intake) -> None:
    views = [intake.view("POST", path, {}, 1) for path in ("/game-events", "/product-events")]
    assert [view.kind.name for view in views if isinstance(view, FamilyView) and view.kind] == ["game", "product"]


@pytest.mark.parametrize(
    ("method", "path", "fields", "length"),
    [
        ("GET", "/events", {}, 0),
        ("PUT", "/events", {}, 1),
        ("POST", "/events/some-id", {}, 1),
        ("POST", "/events/", {}, 1),
        ("POST", "/nowhere", {}, 1),
        ("POST", "/admin/login/", {}, 1),
        ("POST", "/events", {"origin": "https://shop.example"}, 1),
        ("POST", "/events", {"content-encoding": "gzip"}, 1),
        ("POST", "/events", {}, LARGE_BYTES + 1),
    ],
)
def test_the_rest_is_djangos(intake: Intake, method: str, path: str, fields: dict[str, str], length: int) -> None:
    assert intake.view(method, path, fields, length) is None
