"""The import runs of `process_events`: which go on, which are over."""

from __future__ import annotations

from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.readonly import ReadOnlyAdmin, text_filter, time_filter
from processing.models import ImportRun
from processing.postgres import imports


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnlyAdmin):
    list_display = ("id", "source", "state", "new_lines", "known_lines", "started", "heartbeat", "ended")
    list_filter = (time_filter("started_at"), text_filter("source", called="source", parameter="source"))
    ordering = ("-id",)
    fields = readonly_fields = (
        "id",
        "source",
        "state",
        "new_lines",
        "known_lines",
        "started",
        "heartbeat",
        "ended",
        "log_ends",
    )

    @admin.display(description="state")
    def state(self, obj: ImportRun) -> str:
        if obj.ended_at is not None:
            return "over"
        silent_s = (timezone.now() - obj.heartbeat_at).total_seconds()
        return "goes on" if silent_s < imports.SILENT_S else "no heartbeat: killed, or cut off"

    @admin.display(description="started")
    def started(self, obj: ImportRun) -> SafeString | str:
        return show.when(obj.started_at)

    @admin.display(description="last heartbeat")
    def heartbeat(self, obj: ImportRun) -> SafeString | str:
        return show.when(obj.heartbeat_at)

    @admin.display(description="ended")
    def ended(self, obj: ImportRun) -> SafeString | str:
        return show.when(obj.ended_at)

    @admin.display(description="its gaps wait until the log is read up to")
    def log_ends(self, obj: ImportRun) -> str:
        if not obj.watermarks:
            return show.NOTHING
        return "; ".join(f"{topic}, partition {partition}: {end}" for topic, partition, end in obj.watermarks)
