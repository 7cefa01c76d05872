"""The groups of users after another `migrate`: what is new is granted, what the team has changed stays."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from processing.groups import GROUPS, grant_new_permissions

pytestmark = pytest.mark.django_db


def migrate() -> None:
    call_command("migrate", verbosity=0)


def holds(group: str, codename: str) -> bool:
    return Group.objects.filter(name=group, permissions__codename=codename).exists()


def test_what_a_new_version_brings_is_granted_to_the_groups_that_are_as_they_were() -> None:
    Group.objects.get(name="viewer").permissions.remove(Permission.objects.get(codename="view_kind"))
    Permission.objects.filter(codename__in=["view_lane", "set_lane"]).delete()
    migrate()
    assert [holds("viewer", each) for each in ("view_lane", "view_kind", "set_lane")] == [False, False, False]
    assert [holds("operator", each) for each in ("view_lane", "view_kind", "set_lane")] == [True, True, True]


def test_a_deleted_group_stays_away() -> None:
    Group.objects.all().delete()
    Permission.objects.filter(codename="view_lane").delete()
    migrate()
    assert not Group.objects.exists()


def test_where_all_tables_were_emptied_they_come_with_the_permissions() -> None:
    """As after a test of the team's own that commits."""
    Group.objects.all().delete()
    Permission.objects.all().delete()
    migrate()
    assert set(Group.objects.values_list("name", flat=True)) == set(GROUPS)
    assert holds("administrator", "add_user") and holds("administrator", "add_apikey") and holds("viewer", "view_lane")


def test_a_project_without_djangos_users_has_none() -> None:
    grant_new_permissions(apps.get_app_config("processing"), "default", Apps())
