"""The kinds that are set aside: why, since when, by whom, and how much waits for each. Resume and pause."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.acting import PAUSE, RESUME, ActingAdmin, Action, Page
from processing.domain.kinds import KindState
from processing.models import InboxEvent, Kind, OperatorAction
from processing.operators.kinds import describe
from processing.postgres.kinds import Waiting, count_waiting


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, state.value) for state in KindState]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(state=self.value()) if self.value() else queryset


@admin.register(Kind)
class KindAdmin(ActingAdmin):
    acts = (RESUME, PAUSE)
    list_display = ("name", "what", "state", "in_it_since", "actor", "waiting", "oldest", "why")
    list_filter = (StateFilter,)
    ordering = ("name",)
    search_prefixes = ("name",)
    search_help_text = "The beginning of a kind's name, such as game or game/move."
    fields = readonly_fields = (
        "name",
        "what",
        "state",
        "in_it_since",
        "actor",
        "reason",
        "last_error",
        "probes",
        "next_probe",
        "waiting",
        "oldest",
        "events",
        "record",
    )

    def legal_in_list(self, request: HttpRequest) -> Collection[Action | Page]:
        return (RESUME, PAUSE)

    def legal_for(self, obj: Kind) -> Collection[Action | Page]:
        if obj.state == KindState.PAUSED:
            return (RESUME,)
        return (RESUME, PAUSE) if obj.state == KindState.STOPPED else (PAUSE,)

    @admin.display(description="what it is")
    def what(self, obj: Kind) -> str:
        return describe(obj.name)

    @admin.display(description="since")
    def in_it_since(self, obj: Kind) -> SafeString | str:
        return show.when(obj.since)

    @admin.display(description="reason")
    def why(self, obj: Kind) -> SafeString | str:
        return show.cut(obj.reason, "wide")

    @admin.display(description="the last error")
    def last_error(self, obj: Kind) -> str:
        return f"{obj.error_class} in {obj.error_place}" if obj.error_class else show.NOTHING

    @admin.display(description="next probe")
    def next_probe(self, obj: Kind) -> str:
        return show.utc(obj.next_probe_at)

    @admin.display(description="events that wait")
    def waiting(self, obj: Kind) -> str:
        return f"{self._count(obj).events:,}"

    @admin.display(description="the oldest since")
    def oldest(self, obj: Kind) -> SafeString | str:
        return show.when(self._count(obj).since)

    def _count(self, obj: Kind) -> Waiting:
        """Once a page: very much may wait."""
        if not hasattr(obj, "counted"):
            obj.counted = count_waiting([obj.name])[obj.name]  # type: ignore[attr-defined]
        found: Waiting = obj.counted  # type: ignore[attr-defined]
        return found

    @admin.display(description="the events")
    def events(self, obj: Kind) -> SafeString:
        return show.list_link(InboxEvent, "that wait for it", kind=obj.name)

    @admin.display(description="operator actions")
    def record(self, obj: Kind) -> SafeString:
        return show.list_link(OperatorAction, "on it", event=obj.name)
