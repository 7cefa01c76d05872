"""Groups of users: who may look, who may act, who makes keys. They come with the permissions that they hold; which, an
app says in the `grants` of its config."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.db import router, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from processing.postgres.databases import OURS

READERS = ("viewer", "operator")  # of all that nobody is named for
GROUPS = (*READERS, "administrator")


def grant_new_permissions(sender: AppConfig, using: str, apps: Apps = installed, **_: Any) -> None:
    """A receiver of `post_migrate`, before that of Django which makes the permissions: so it sees which are new.

    A migration could not: it comes before them, and theirs may be another database.
    """
    if sender.label not in OURS:
        return
    try:
        group = apps.get_model("auth", "Group")
    except LookupError:
        return  # a project without Django's users, or one whose tables are not there yet
    if router.allow_migrate_model(using, group):
        from django.contrib.auth.management import create_permissions

        with transaction.atomic(using=using):
            before = _permissions(apps, using)
            create_permissions(sender, verbosity=0, using=using, apps=apps)
            after = _permissions(apps, using)
            for name in GROUPS:
                _grant(group.objects.using(using), name, before, after)


def _permissions(apps: Apps, using: str) -> dict[str, int]:
    named = Concat(F("content_type__app_label"), Value("."), F("codename"))
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    return dict(permissions.annotate(named=named).values_list("named", "pk"))


def _grant(groups: Any, name: str, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    named = groups.filter(name=name)
    held = set(named.values_list("permissions", flat=True)) if named.exists() else None
    names = None if held is None else {each for each, id in before.items() if id in held}
    if new := to_grant(rights(name, before), rights(name, after), names):
        group, _ = groups.get_or_create(name=name)
        holds = group.permissions.through
        rows = [holds(group_id=group.pk, permission_id=after[each]) for each in new]
        holds.objects.using(groups.db).bulk_create(rows, ignore_conflicts=True)


def to_grant(before: Collection[str], after: Collection[str], held: Collection[str] | None) -> set[str]:
    """A group is made with the first of its rights, and given what is new later: not if its owners have made one of
    that name, deleted it, or taken a right from it. `held`: by the group of that name; None if there is none.
    """
    known = {each for each in before if _is_ours(each)}
    if known:
        return set(after).difference(before) if held is not None and known.issubset(held) else set()
    return set(after) if held is None and any(map(_is_ours, after)) else set()


def rights(group: str, permissions: Collection[str]) -> set[str]:
    """Those of these that it is to hold."""
    return {each for each in permissions if group in _holders(each)}


def _holders(permission: str) -> Collection[str]:
    """The groups for which the `grants` of an app name it; else what is ours is for all readers to see."""
    named = [
        group
        for config in installed.get_app_configs()
        for group, names in getattr(config, "grants", {}).items()
        if permission in names
    ]
    return named or (READERS if _is_ours(permission) and ".view_" in permission else ())


def _is_ours(permission: str) -> bool:
    return permission.partition(".")[0] in OURS
