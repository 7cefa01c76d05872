"""The record of operator actions: who did what to which event, and when."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.readonly import ReadOnlyAdmin, text_filter, time_filter
from processing.admin.searching import find_actions
from processing.models import InboxEvent, Kind, Lane, OperatorAction, ReplayRun
from processing.operators import actions, edit, kinds, losses, replay_runs
from processing.operators.set_lane import SET_LANE

OF_KINDS = (kinds.PAUSE, kinds.RESUME)  # `event_id` has the kind's name
OF_RUNS = (replay_runs.REPLAY, replay_runs.CANCEL, replay_runs.GO_ON)  # and here the run's


class ActionFilter(admin.SimpleListFilter):
    title = "action"
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        of_events = (actions.RETRY_NOW, edit.EDIT, actions.DISCARD, actions.UNDO_DISCARD)
        names = (*OF_RUNS, *of_events, SET_LANE, losses.ACKNOWLEDGE, *OF_KINDS)
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OperatorAction]) -> QuerySet[OperatorAction]:
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(OperatorAction)
class OperatorActionAdmin(ReadOnlyAdmin):
    list_display = ("id", "time", "actor", "action", "event_link", "short_detail")
    list_filter = (
        ActionFilter,
        time_filter("at"),
        text_filter("actor", called="who", parameter="actor"),
        text_filter("event_id", called="event", parameter="event"),
    )
    ordering = ("-id",)
    search_prefixes = ("event_id",)
    search_help_text = "The beginning of an event's id."
    fields = readonly_fields = ("time", "actor", "action", "event_link", "detail")

    def find(self, queryset: QuerySet[OperatorAction], term: str) -> set[Any]:
        return find_actions(queryset, term)

    @admin.display(description="when")
    def time(self, obj: OperatorAction) -> SafeString | str:
        return show.when(obj.at)

    @admin.display(description="detail")
    def short_detail(self, obj: OperatorAction) -> SafeString | str:
        return show.cut(obj.detail, "wide")

    @admin.display(description="event, lane, kind, loss or run")
    def event_link(self, obj: OperatorAction) -> SafeString | str:
        if obj.action == losses.ACKNOWLEDGE:
            return obj.event_id
        if obj.action in OF_RUNS:
            return show.link(ReplayRun, obj.event_id.rpartition(" ")[2], obj.event_id)
        if not obj.event_id:
            return show.link(Lane, obj.user_id, f"lane of {obj.user_id}")
        return show.link(Kind if obj.action in OF_KINDS else InboxEvent, obj.event_id)
