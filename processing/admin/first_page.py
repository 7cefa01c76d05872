"""The first page of the admin: the pipeline's state in one look."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from processing.admin import charts, show
from processing.domain.series import PERCENTILES, PERIODS, percentile_ms
from processing.domain.texts import sentence
from processing.models import DeadLetter, FailureGroup, InboxEvent, Lane, PassedGap, Process
from processing.operators import first_page as pages
from processing.operators.first_page import FirstPage

LISTED = (InboxEvent, DeadLetter, Lane, PassedGap, Process)


def first_page(request: HttpRequest) -> HttpResponse:
    """Django's own for those who may not see events."""
    if not request.user.has_perm("processing.view_inboxevent"):
        return admin.site.index(request)
    period = PERIODS.get(request.GET.get("period", ""), PERIODS["hour"])
    context = {**admin.site.each_context(request), **_context(pages.first_page(period)), "title": "Pipeline"}
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/processing/first_page.html", context)


def _context(page: FirstPage) -> dict[str, Any]:
    lists = {model._meta.model_name: _list_of(model) for model in LISTED}
    found = [each for each in charts.PLOTTED if any(what[each] for what in page.kinds.values())]
    return {
        "page": page,
        "troubles": [sentence(each) for each in page.troubles],
        "notes": [sentence(each) for each in page.notes],
        "periods": PERIODS.values(),
        "tiles": _tiles(page, lists),
        "bars": charts.outcome_bars(page.steps),
        "lines": charts.percentile_lines(page.steps),
        "outcomes": [(each, charts.number(page.totals[each])) for each in charts.PLOTTED],
        "percentiles": [(each, charts.duration(percentile_ms(page.totals, each))) for each in PERCENTILES],
        "kinds": [
            (kind, [charts.number(what[each]) if what[each] else "" for each in found])
            for kind, what in page.kinds.items()
        ],
        "plotted": found,
        "lags": [(each, charts.duration(each.seconds * 1000) if each.seconds else "") for each in page.lags],
        "failures": [(each, show.change_url(InboxEvent, each.event_id)) for each in page.failures],
        "groups": [(each, _group_page(each)) for each in page.groups],
        "waiting_lanes": _waiting_lanes(page),
        "lists": lists,
        "begins": page.steps[0].start,
        "running": len([each for each in page.processes if not each.silent]),
    }


def _tiles(page: FirstPage, lists: dict[str | None, str]) -> list[tuple[str, str, str, bool]]:
    """(name, value, link, whether somebody should look)."""
    numbers = page.state.numbers
    dead = sum(page.dead_letters.values())
    lanes: dict[str, int] = numbers.get("waiting_lanes") or {}
    parked = lanes.get(Lane.WaitsFor.PARK, 0)
    last = page.steps[-2]
    seconds = max([each.seconds or 0.0 for each in page.lags] or [0.0])
    behind = f" · {charts.duration(seconds * 1000)}" if seconds >= 1 else ""
    return [
        ("processed a minute", charts.number(last.per_minute("processed")), "", False),
        ("p95 to outcome", charts.duration(percentile_ms(last.what, 95)), "", False),
        ("behind in Kafka", charts.number(sum(each.messages for each in page.lags)) + behind, "", False),
        ("held", _counted(numbers.get("held")), f"{lists['inboxevent']}?status=held", False),
        ("retrying", _counted(numbers.get("retrying")), f"{lists['inboxevent']}?status=retrying", False),
        ("open dead letters", charts.number(dead), lists["deadletter"], dead > 0),
        ("lanes that wait", charts.number(sum(lanes.values())), lists["lane"], False),
        ("parked lanes", charts.number(parked), f"{lists['lane']}?waiting={Lane.WaitsFor.PARK.value}", parked > 0),
        ("passed gaps", _counted(numbers.get("passed_gaps")), lists["passedgap"], False),
    ]


def _waiting_lanes(page: FirstPage) -> list[tuple[str, int]]:
    """What lanes wait for, and how many."""
    found: dict[str, int] = page.state.numbers.get("waiting_lanes") or {}
    return [(Lane.WaitsFor(what).label.partition(":")[0], number) for what, number in found.items()]


def _counted(number: int | None) -> str:
    return "?" if number is None else charts.number(number)


def _group_page(group: FailureGroup) -> str:
    return show.change_url(FailureGroup, group.pk) if admin.site.is_registered(FailureGroup) else ""


def _list_of(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
