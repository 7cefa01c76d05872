"""Game events in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from ingest.families.game_events.models import GameEvent
from processing.admin import show
from processing.admin.readonly import ReadOnlyAdmin, text_filter, time_filter
from processing.models import InboxEvent


@admin.register(GameEvent)
class GameEventAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "event_type", "player_id", "game_id", "session_id", "seq", "happened")
    list_filter = (time_filter("timestamp"), text_filter("event_type", called="type", parameter="type"))
    ordering = ("-timestamp", "-id")
    search_prefixes = ("event_id", "player_id")
    search_help_text = "The beginning of an event's id or of a player's."
    heavy_fields = ("data",)
    fields = readonly_fields = (
        "event",
        "event_type",
        "player_id",
        "game_id",
        "session_id",
        "seq",
        "happened",
        "processed",
        "pretty_data",
    )

    @admin.display(description="event")
    def event(self, obj: GameEvent) -> SafeString:
        return show.link(InboxEvent, obj.event_id)

    @admin.display(description="happened")
    def happened(self, obj: GameEvent) -> str:
        return show.utc(obj.timestamp)

    @admin.display(description="processed")
    def processed(self, obj: GameEvent) -> str:
        return show.utc(obj.created_at)

    @admin.display(description="data")
    def pretty_data(self, obj: GameEvent) -> SafeString | str:
        return show.json_value(obj.data)
