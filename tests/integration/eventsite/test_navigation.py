"""Where people are led: the page at `/`, and the admin's navigation."""

from __future__ import annotations

import re
from itertools import chain

import pytest
from django.contrib import admin
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from eventsite.navigation import PAGES, navigation
from tests.support.operator_pages import client_of, page

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


def test_the_first_page_leads_to_places_that_exist(client: Client) -> None:
    html = page(client, "/")
    assert client.get("/docs/").headers["Location"] == "/docs"
    for path in ("/admin/", "/docs", "/schema", "/asyncapi", "/health/ready", "/metrics"):
        assert f'href="{path}"' in html
        assert client.get(path).status_code != 404


def test_every_page_of_the_navigation_is_one(operator: Client) -> None:
    known = {model._meta.label_lower for model in admin.site._registry}
    assert {each.model for pages in PAGES.values() for each in pages} <= known
    html = page(operator, reverse("admin:index"))
    assert f'href="{reverse("live")}"' in html


def test_a_page_bears_the_name_that_the_navigation_gives_it(operator: Client) -> None:
    for link in chain.from_iterable(group["items"] for group in navigation(request_of(operator))):
        assert re.search(rf"<h1[^>]*>.*?{link['title']}.*?</h1>", page(operator, link["link"]), re.DOTALL), link


def request_of(client: Client) -> HttpRequest:
    return client.get(reverse("admin:index")).wsgi_request


def test_it_names_only_what_its_reader_may_see() -> None:
    html = page(client_of("cleo", may=["view_lane"]), reverse("admin:index"))
    assert reverse("admin:processing_lane_changelist") in html
    assert reverse("admin:processing_deadletter_changelist") not in html


def test_the_palette_that_would_keep_results_in_redis_is_not_there(operator: Client) -> None:
    assert operator.get("/admin/search/?s=a").status_code == 404
