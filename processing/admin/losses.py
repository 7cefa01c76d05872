"""The losses: messages that the log no longer had when they were to be read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.acting import ACKNOWLEDGE, ActingAdmin, Action, Page
from processing.admin.readonly import text_filter, time_filter
from processing.models import Loss

ACKNOWLEDGED = "acknowledged"


class AcknowledgedFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "open"), (ACKNOWLEDGED, "acknowledged")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Loss]) -> QuerySet[Loss]:
        if self.value() is None:
            return queryset
        return queryset.filter(acknowledged_at__isnull=self.value() != ACKNOWLEDGED)


@admin.register(Loss)
class LossAdmin(ActingAdmin):
    acts = (ACKNOWLEDGE,)
    list_display = ("id", "topic", "partition", "first_offset", "last", "why", "found", "acknowledged")
    list_filter = (
        AcknowledgedFilter,
        time_filter("found_at"),
        text_filter("topic", called="topic", parameter="topic"),
    )
    ordering = ("-id",)
    fields = readonly_fields = (
        "id",
        "topic",
        "partition",
        "topic_id",
        "first_offset",
        "last",
        "why",
        "found",
        "acknowledged",
    )

    def legal_in_list(self, request: HttpRequest) -> Collection[Action | Page]:
        return () if request.GET.get("state") == ACKNOWLEDGED else (ACKNOWLEDGE,)

    def legal_for(self, obj: Loss) -> Collection[Action | Page]:
        return (ACKNOWLEDGE,) if obj.acknowledged_at is None else ()

    @admin.display(description="last offset")
    def last(self, obj: Loss) -> str:
        return "not seen" if obj.last_offset is None else str(obj.last_offset)

    @admin.display(description="found")
    def found(self, obj: Loss) -> SafeString | str:
        return show.when(obj.found_at)

    @admin.display(description="acknowledged")
    def acknowledged(self, obj: Loss) -> SafeString | str:
        if obj.acknowledged_at is None:
            return ""
        return format_html("{} by {}", show.when(obj.acknowledged_at), obj.acknowledged_by)
