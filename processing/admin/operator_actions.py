"""The record of operator actions: who did what to which event, and when."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.readonly import ReadOnlyAdmin, text_filter, time_filter
from processing.models import InboxEvent, Kind, Lane, OperatorAction
from processing.operators import actions, kinds, losses
from processing.operators import replay as replays
from processing.operators.set_lane import SET_LANE

OF_KINDS = (kinds.PAUSE, kinds.RESUME)  # `event_id` has the kind's name


class ActionFilter(admin.SimpleListFilter):
    title = "action"
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = (actions.RETRY_NOW, replays.REPLAY, actions.DISCARD, SET_LANE, losses.ACKNOWLEDGE, *OF_KINDS)
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OperatorAction]) -> QuerySet[OperatorAction]:
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(OperatorAction)
class OperatorActionAdmin(ReadOnlyAdmin):
    list_display = ("id", "time", "actor", "action", "event_link", "detail")
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

    @admin.display(description="when")
    def time(self, obj: OperatorAction) -> str:
        return show.utc(obj.at)

    @admin.display(description="event, lane, kind or loss")
    def event_link(self, obj: OperatorAction) -> SafeString | str:
        if obj.action == losses.ACKNOWLEDGE:
            return obj.event_id
        if not obj.event_id:
            return show.link(Lane, obj.user_id, f"lane of {obj.user_id}")
        return show.link(Kind if obj.action in OF_KINDS else InboxEvent, obj.event_id)
