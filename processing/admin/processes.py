"""The processes: which run, how far behind they are, which have fallen silent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Exists, F, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.charts import duration, number
from processing.admin.readonly import ReadOnlyAdmin
from processing.models import Process
from processing.postgres.processes import SILENT_S


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    class Media:
        css: ClassVar = {"all": ("processing/pipeline.css",)}

    list_display = (
        "role",
        "host",
        "pid",
        "state",
        "heard_of",
        "a_second",
        "partitions_of",
        "behind",
        "version",
        "last_error",
        "error_at_place",
    )
    list_filter = ("role",)
    search_prefixes = ("host",)
    search_help_text = "The beginning of a host's name."
    fields = readonly_fields = (
        "role",
        "host",
        "pid",
        "version",
        "state",
        "started",
        "heard_of",
        "ended",
        "a_second",
        "behind",
        "by_partition",
        "last_error",
        "error_at_place",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        later = Process.objects.filter(
            role=OuterRef("role"), host=OuterRef("host"), started_at__gt=OuterRef("heartbeat_at")
        )
        found: QuerySet[Any] = super().get_queryset(request).annotate(has_later=Exists(later))
        return found

    def get_ordering(self, request: HttpRequest) -> Any:
        return (F("ended_at").desc(nulls_first=True), "role", "host", "pid")

    @admin.display(description="state")
    def state(self, obj: Process) -> SafeString | str:
        if obj.ended_at is not None:
            return "ended"
        if timezone.now() - obj.heartbeat_at <= timedelta(seconds=SILENT_S):
            return "running"
        if getattr(obj, "has_later", False):
            return "silent, and replaced"
        return format_html('<strong class="pipeline-bad">{}</strong>', "silent")

    @admin.display(description="last heard of")
    def heard_of(self, obj: Process) -> str:
        ago = max(0.0, (timezone.now() - obj.heartbeat_at).total_seconds())
        return f"{duration(ago * 1000)} ago" if ago >= 1 else "now"

    @admin.display(description="started")
    def started(self, obj: Process) -> str:
        return show.utc(obj.started_at)

    @admin.display(description="ended")
    def ended(self, obj: Process) -> str:
        return show.utc(obj.ended_at)

    @admin.display(description="events a second")
    def a_second(self, obj: Process) -> str:
        return number(obj.rate)

    @admin.display(description="partitions")
    def partitions_of(self, obj: Process) -> int | str:
        return len(obj.partitions) if obj.role == "consumer" else show.NOTHING

    @admin.display(description="behind")
    def behind(self, obj: Process) -> str:
        if not obj.partitions:
            return show.NOTHING
        seconds = max(each["seconds"] for each in obj.partitions)
        messages = sum(each["messages"] for each in obj.partitions)
        return number(messages) + (f", {duration(seconds * 1000)}" if seconds >= 1 else "")

    @admin.display(description="by partition")
    def by_partition(self, obj: Process) -> SafeString:
        lines = [f"{p['topic']} {p['partition']}: {p['messages']}, {p['seconds']} s" for p in obj.partitions]
        return show.preformatted("\n".join(lines) or show.NOTHING, show.TEXT_MAX_CHARS)

    @admin.display(description="last error")
    def last_error(self, obj: Process) -> SafeString | str:
        if not obj.error_class:
            return show.NOTHING
        full = f"{obj.error_class} in {obj.error_place or 'a library'}, {show.utc(obj.error_at)}"
        return format_html('<span title="{}">{} {}</span>', full, obj.error_class, f"{obj.error_at:%H:%M:%S}")

    @admin.display(description="where")
    def error_at_place(self, obj: Process) -> str:
        return obj.error_place or show.NOTHING
