"""The replay runs: how far each is, what came of its events, who started it and why. Cancel, go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.readonly import ReadOnlyAdmin, text_filter, time_filter
from processing.admin.replay_start import AWAY, describe, may_replay, start_view
from processing.domain.away import StoppedError
from processing.domain.replays import ItemState, Phase, convert_choice
from processing.domain.texts import sentence
from processing.models import DeadLetter, InboxEvent, ReplayItem, ReplayRun
from processing.operators import replay_runs
from processing.operators.chunks import Refused

SHOWN = 10
FEW = 20  # events that are all shown
TOLD = (ItemState.REFUSED, ItemState.SKIPPED, ItemState.WAITING)  # the detail of others is over
SILENT_S = 15.0
CHANGES: dict[str, Callable[..., str]] = {"cancel": replay_runs.cancel, "go_on": replay_runs.go_on}


class OverFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "not over"), ("over", "over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ReplayRun]) -> QuerySet[ReplayRun]:
        return queryset if self.value() is None else queryset.filter(ended_at__isnull=self.value() == "open")


@admin.register(ReplayRun)
class ReplayRunAdmin(ReadOnlyAdmin):
    list_display = ("id", "state", "takes", "succeeded", "failed", "waits", "refused", "started", "actor", "why")
    list_filter = (OverFilter, time_filter("created_at"), text_filter("actor", called="who", parameter="actor"))
    ordering = ("-id",)
    export_columns = ("id", "phase", "chosen", "replayed", "succeeded", "failed", "skipped", "refused", "actor")
    fields = readonly_fields = ("id",)
    change_form_template = "admin/processing/replay_run.html"

    def has_view_permission(self, request: HttpRequest, obj: ReplayRun | None = None) -> bool:
        """Also those who may replay."""
        return super().has_view_permission(request, obj) or may_replay(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("start/", view(start_view), name="processing_replayrun_start"),
            path("<int:run>/act/<slug:change>/", view(self.change_run_view), name="processing_replayrun_act"),
            *super().get_urls(),
        ]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> ReplayRun | None:
        return super().get_object(request, object_id, from_field) if object_id.isdecimal() else None

    def change_run_view(self, request: HttpRequest, run: int, change: str) -> HttpResponse:
        if change not in CHANGES:
            raise Http404(f"There is no action {change!r}")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not may_replay(request):
            raise PermissionDenied
        try:
            messages.success(request, sentence(f"{CHANGES[change](run, actor=request.user.get_username())}."))
        except Refused as refused:
            messages.warning(request, f"Left as it was: {refused}.")
        except StoppedError:
            messages.error(request, AWAY)
        return HttpResponseRedirect(show.change_url(ReplayRun, run))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = None if object_id is None else self.get_object(request, unquote(object_id))
        context = {} if run is None else self._context(request, run)
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def _context(self, request: HttpRequest, run: ReplayRun) -> dict[str, Any]:
        changes = _changes(run) if may_replay(request) else ()
        choice = convert_choice(run.choice)
        return {
            "title": f"Replay {run.pk}",
            "subtitle": None,
            "run": run,
            "state": state_of(run),
            "choice": describe(choice) if choice.ids else sentence(describe(choice)),
            "troubles": list(_troubles(run)),
            "bars": [(name, f"{number:,}", 100 * number / run.chosen) for name, number in _parts(run) if run.chosen],
            "changes": [
                (label, reverse("admin:processing_replayrun_act", args=[run.pk, name])) for name, label in changes
            ],
            "refusals": sorted(run.refusals.items(), key=lambda each: -each[1][0]),
            "failed_again": _failed_again(run),
            "items": _items(run),
            "takes": takes_of(run),
            "started": show.utc(run.created_at),
            "ended": show.utc(run.ended_at),
            "now": timezone.now(),
        }

    @admin.display(description="state")
    def state(self, obj: ReplayRun) -> SafeString:
        return show.pill(state_of(obj), "wait" if obj.ended_at is None else "quiet" if obj.cancelled_at else "good")

    @admin.display(description="takes")
    def takes(self, obj: ReplayRun) -> str:
        return takes_of(obj)

    @admin.display(description="waiting")
    def waits(self, obj: ReplayRun) -> int:
        return waiting_of(obj)

    @admin.display(description="started")
    def started(self, obj: ReplayRun) -> SafeString | str:
        return show.when(obj.created_at)

    @admin.display(description="why")
    def why(self, obj: ReplayRun) -> SafeString | str:
        return show.cut(obj.reason)


def waiting_of(run: ReplayRun) -> int:
    return run.replayed - run.succeeded - run.failed - run.skipped


def takes_of(run: ReplayRun) -> str:
    """How many dead letters; the number is final once all are chosen."""
    if run.phase != Phase.CHOOSING:
        return f"{run.chosen:,}"
    return f"{run.chosen:,} so far, not all are chosen yet"


def state_of(run: ReplayRun) -> str:
    if run.cancelled_at is not None:
        return "cancelled"
    if run.phase != Phase.DONE:
        return str(run.phase)
    return "waits for its events" if run.ended_at is None else "done"


def _parts(run: ReplayRun) -> Iterator[tuple[str, int]]:
    """What has become of the events that it takes, all of them."""
    yield "succeeded", run.succeeded
    yield "failed again", run.failed
    yield "still waiting", waiting_of(run)
    yield "skipped, or known", run.skipped
    yield "left as they were", run.refused
    yield "not replayed yet", run.chosen - run.replayed - run.refused


def _changes(run: ReplayRun) -> tuple[tuple[str, str], ...]:
    if run.cancelled_at is not None:
        return (("go_on", "Go on"),)
    return () if run.phase == Phase.DONE else (("cancel", "Cancel"),)


def _troubles(run: ReplayRun) -> Iterator[str]:
    since = run.stepped_at or run.created_at
    if run.phase != Phase.DONE and run.cancelled_at is None and (timezone.now() - since).total_seconds() > SILENT_S:
        yield f"No process has taken it further since {show.utc(since)}: does a worker run?"


def _items(run: ReplayRun) -> list[tuple[SafeString, str, str]]:
    """Of a small run: each event, its state, and what was made of it."""
    if run.chosen > FEW:
        return []
    items = ReplayItem.objects.filter(run_id=run.pk).order_by("position")
    return [
        (show.link(InboxEvent, each.became or each.event_id), each.state, each.detail if each.state in TOLD else "")
        for each in items
    ]


def _failed_again(run: ReplayRun) -> list[SafeString]:
    """Those that are dead letters now."""
    items = ReplayItem.objects.filter(run_id=run.pk, state=ItemState.FAILED).order_by("position")[:SHOWN]
    ids = [item.became or item.event_id for item in items]
    letters = set(DeadLetter.objects.filter(pk__in=ids).values_list("pk", flat=True))
    return [show.link(DeadLetter if id in letters else InboxEvent, id) for id in ids]
