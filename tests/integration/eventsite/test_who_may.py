"""Who may do what in the admin: the groups that `migrate` makes, and staff without one, page by page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from eventsite.admin import offered_permissions
from ingest.models import ApiKey
from processing.models import DeadLetter, Kind, Lane, Loss, OperatorAction
from tests.support.factories import ApiKeyFactory, DeadLetterFactory, InboxEventFactory, LaneFactory
from tests.support.operator_pages import change, changelist

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

GROUPS = ["viewer", "operator", "administrator", ""]
ADMINISTERED = {"ingest.apikey", "auth.user", "auth.group"}
MODELS = sorted(model._meta.label_lower for model in admin.site._registry)


def member_of(group: str) -> Client:
    user = User.objects.create_user("vic", is_staff=True)
    user.groups.set(Group.objects.filter(name=group))
    client = Client()
    client.force_login(user)
    return client


def sees(group: str, model: str) -> bool:
    return (group == "administrator") == (model in ADMINISTERED) and group != ""


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("model", MODELS)
def test_each_list_and_its_exports_are_for_those_who_may_see_them(group: str, model: str) -> None:
    client = member_of(group)
    expected = 200 if sees(group, model) else 403
    app, name = model.split(".")
    assert client.get(changelist(name, app)).status_code == expected
    assert client.get(change(name, "999999", app)).status_code == (302 if expected == 200 else 403), "there is none"
    if app != "auth":
        assert client.get(reverse(f"admin:{app}_{name}_export", args=["csv"])).status_code == expected


@pytest.mark.parametrize("group", GROUPS)
def test_the_first_page_is_the_pipelines_for_those_who_may_see_events(group: str) -> None:
    response = member_of(group).get(reverse("admin:index"))
    assert response.status_code == 200
    assert ("page" in response.context) == (group in ("viewer", "operator"))


def letter() -> str:
    return str(DeadLetterFactory.create(event__id="e-1", event__seq=7, event__user_id="u-1").pk)


def retrying() -> str:
    return str(InboxEventFactory.create(id="e-1", retrying=True).pk)


def loss() -> str:
    return str(Loss.objects.create(topic="events", partition=0, first_offset=0, why="deleted").pk)


def kind() -> str:
    return str(Kind.objects.create(name="game", state="paused", reason="", actor="").pk)


ACTS: list[tuple[str, str, Callable[[], str]]] = [
    ("deadletter", "replay", letter),
    ("deadletter", "discard", letter),
    ("inboxevent", "discard", letter),
    ("inboxevent", "replay", letter),
    ("inboxevent", "retry_now", retrying),
    ("inboxevent", "pause_type", letter),
    ("inboxevent", "pause_family", letter),
    ("kind", "resume", kind),
    ("kind", "pause", kind),
    ("loss", "acknowledge", loss),
]


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(("model", "action", "make"), ACTS)
def test_a_forged_action_is_403_and_changes_nothing(
    group: str, model: str, action: str, make: Callable[[], str]
) -> None:
    pk = make()
    client = member_of(group)
    button = client.post(reverse(f"admin:processing_{model}_act", args=[pk, action]))
    many = client.post(changelist(model), {"action": action, "_selected_action": [pk]})
    if group == "operator":
        assert button.status_code != 403
        return
    assert (button.status_code, many.status_code) == (403, 403)
    assert not OperatorAction.objects.exists()
    assert not DeadLetter.objects.exclude(discarded_at=None).exists()
    assert not Loss.objects.exclude(acknowledged_at=None).exists()
    assert set(Kind.objects.values_list("state", flat=True)) <= {"paused"}


@pytest.mark.parametrize("group", GROUPS)
def test_buttons_are_offered_to_operators_alone(group: str) -> None:
    InboxEventFactory.create(id="fine")
    pk = letter()
    response = member_of(group).get(change("inboxevent", pk))
    if not sees(group, "processing.inboxevent"):
        assert response.status_code == 403
        return
    offered = [each["label"] for each in response.context["buttons"]]
    assert bool(offered) == (group == "operator")
    assert bool(response.context["buttons_of_kind"]) == (group == "operator")


@pytest.mark.parametrize("group", GROUPS)
def test_a_lane_is_set_by_operators_alone(group: str) -> None:
    LaneFactory.create(user_id="u-1", next_seq=3)
    client = member_of(group)
    url = reverse("admin:processing_lane_set", args=["u-1"])
    for response in (client.get(url, {"seq": "5"}), client.post(url, {"seq": "5"})):
        assert (response.status_code != 403) == (group == "operator")
    assert Lane.objects.get().next_seq == (5 if group == "operator" else 3)


@pytest.mark.parametrize("group", GROUPS)
def test_keys_and_users_are_for_administrators_alone(group: str) -> None:
    key = ApiKeyFactory.create()
    client = member_of(group)
    may = group == "administrator"
    revoke = {"action": "revoke", "_selected_action": [str(key.pk)]}
    assert (client.post(changelist("apikey", "ingest"), revoke).status_code != 403) == may
    assert (ApiKey.objects.get().revoked_at is not None) == may
    for app, model in (("auth", "user"), ("auth", "group")):
        assert (client.get(reverse(f"admin:{app}_{model}_add")).status_code == 200) == may
    himself = User.objects.get(username="vic")
    promote = {"username": "vic", "is_superuser": "on", "is_staff": "on", "is_active": "on"}
    assert (client.post(change("user", himself.pk, "auth"), promote).status_code != 403) == may


def test_only_permissions_that_do_something_are_offered() -> None:
    offered = {f"{each.content_type.app_label}.{each.codename}" for each in offered_permissions()}
    own = {name for name in offered if not name.startswith("auth.")}
    changing = {name for name in own if not name.partition(".")[2].startswith("view_")}
    assert changing == {
        "processing.retry_inboxevent",
        "processing.replay_deadletter",
        "processing.discard_deadletter",
        "processing.pause_kind",
        "processing.set_lane",
        "processing.acknowledge_loss",
        "ingest.add_apikey",
        "ingest.change_apikey",
    }
    assert {name.partition("_")[2] for name in offered if name.startswith("auth.")} == {"user", "group"}
    kept = Permission.objects.filter(content_type__app_label__in=["processing", "ingest", "revenue"])
    assert {f"{each.content_type.app_label}.{each.codename}" for each in kept} == own, "nor are others in the database"


def test_an_operator_is_a_viewer_who_acts() -> None:
    viewer, operator = (set(Group.objects.get(name=name).permissions.all()) for name in ("viewer", "operator"))
    assert viewer < operator
    assert {each.codename for each in viewer if not each.codename.startswith("view_")} == set()


def test_who_is_not_logged_in_is_led_to_the_login(client: Client) -> None:
    response = client.post(changelist("deadletter"), {"action": "discard", "_selected_action": ["e-1"]})
    assert response.status_code == 302
    assert reverse("admin:login") in response["Location"]
