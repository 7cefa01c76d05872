"""The operator's pages of this app: game events, and the API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ingest.game_events.family import GAME
from ingest.models import ApiKey, GameEvent
from processing.admin import show
from processing.admin.events import family_links
from processing.admin.readonly import ReadOnlyAdmin, text_filter, time_filter
from processing.models import InboxEvent

if TYPE_CHECKING:
    ApiKeys = QuerySet[ApiKey]


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


def game_event_link(event: InboxEvent) -> SafeString | None:
    row = GameEvent.objects.filter(event_id=event.pk).values_list("pk", flat=True).first()
    return None if row is None else show.link(GameEvent, row, f"game event {row}")


family_links[GAME.name] = game_event_link


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys are made by `manage.py create_api_key`, which alone can show them; here they are revoked."""

    list_display = ("name", "prefix", "created", "revoked")
    ordering = ("name", "id")
    search_prefixes = ("name", "prefix")
    fields = readonly_fields = ("name", "prefix", "created", "revoked")
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("ingest.change_apikey"))

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: ApiKeys) -> None:
        revoked = 0
        for key in queryset.filter(revoked_at=None):
            if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()):
                self.log_change(request, key, "revoked")
                revoked += 1
        messages.success(request, f"Revoked: {revoked}. A revoked key is refused everywhere within seconds.")

    @admin.display(description="made")
    def created(self, obj: ApiKey) -> str:
        return show.utc(obj.created_at)

    @admin.display(description="revoked")
    def revoked(self, obj: ApiKey) -> str:
        return show.utc(obj.revoked_at)
