"""The admin as an operator's browser sees it."""

from __future__ import annotations

from collections.abc import Collection
from html import unescape
from typing import Any

from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

ODD_IDS = [
    "a/b",
    "a//change/",
    "line\nbreak",
    "quo\"te's",
    "<script>alert(1)</script>",
    "list",
    "_2F",
    "ü€😀",
    " padded ",
    "100%",
    "a?b=c&d#e",
    "back\\slash",
]


def client_of(name: str, *, superuser: bool = False, may: Collection[str] = ()) -> Client:
    """A browser in which somebody of the staff, with these permissions, is logged in."""
    user = User.objects.create_user(name, is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=may))
    client = Client()
    client.force_login(user)
    return client


def changelist(model: str, app: str = "processing", **parameters: str) -> str:
    return reverse(f"admin:{app}_{model}_changelist", query=parameters)


def change(model: str, pk: object, app: str = "processing") -> str:
    return reverse(f"admin:{app}_{model}_change", args=[quote(str(pk))])


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, url
    return str(response.content.decode())


def listed(client: Client, url: str) -> list[str]:
    """The keys of the rows that a list shows."""
    response = client.get(url)
    assert response.status_code == 200, response
    return [str(row.pk) for row in response.context["cl"].result_list]


def said(response: Any) -> list[str]:
    return [unescape(str(message)) for message in response.context["messages"]]
