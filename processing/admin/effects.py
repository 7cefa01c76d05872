"""Effects outside the database: what waits, what has failed, what is done."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.acting import DISCARD_EFFECT, REPLAY_EFFECT, ActingAdmin, Action
from processing.admin.readonly import text_filter
from processing.domain.effects import FOLLOW_UP, EffectStatus
from processing.models import Effect, InboxEvent, Lane


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, status.value) for status in EffectStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Effect]) -> QuerySet[Effect]:
        return queryset.filter(status=self.value()) if self.value() else queryset


@admin.register(Effect)
class EffectAdmin(ActingAdmin):
    acts = (REPLAY_EFFECT, DISCARD_EFFECT)
    list_display = ("id", "state", "name", "short_error", "of_event", "short_user", "attempts", "due")
    list_filter = (StateFilter, text_filter("event_id", called="event", parameter="event"))
    ordering = ("-id",)
    search_prefixes = ("event_id", "token")
    search_help_text = "The beginning of an event's id, or of a token."
    heavy_fields = ("value",)
    fields = readonly_fields = (
        "state",
        "name",
        "token_link",
        "event",
        "user",
        "ordered",
        "attempts",
        "failure",
        "made",
        "due",
        "ended",
        "message",
    )
    optional_fields = frozenset({"failure", "ended", "message"})

    def legal_in_list(self, request: HttpRequest) -> Collection[Action]:
        return (REPLAY_EFFECT, DISCARD_EFFECT) if request.GET.get("state") in (None, EffectStatus.FAILED) else ()

    def legal_for(self, obj: Effect) -> Collection[Action]:
        return (REPLAY_EFFECT, DISCARD_EFFECT) if obj.status == EffectStatus.FAILED else ()

    @admin.display(description="state")
    def state(self, obj: Effect) -> SafeString:
        return show.status(obj.status)

    @admin.display(description="token")
    def token_link(self, obj: Effect) -> SafeString | str:
        """A follow-up's is its event's id, which the inbox has once it was read."""
        return show.link(InboxEvent, obj.token) if obj.name == FOLLOW_UP else obj.token

    @admin.display(description="event")
    def event(self, obj: Effect) -> SafeString:
        return show.link(InboxEvent, obj.event_id)

    @admin.display(description="event")
    def of_event(self, obj: Effect) -> SafeString | str:
        return show.cut(obj.event_id)

    @admin.display(description="user")
    def user(self, obj: Effect) -> SafeString:
        return show.link(Lane, obj.user_id)

    @admin.display(description="user")
    def short_user(self, obj: Effect) -> SafeString | str:
        return show.cut(obj.user_id, "narrow")

    @admin.display(description="error")
    def short_error(self, obj: Effect) -> SafeString | str:
        return show.cut(obj.error, "wide")

    @admin.display(description="error")
    def failure(self, obj: Effect) -> SafeString | str:
        return show.preformatted(obj.error, show.TEXT_MAX_CHARS) if obj.error else show.NOTHING

    @admin.display(description="since")
    def made(self, obj: Effect) -> str:
        return show.utc(obj.created_at)

    @admin.display(description="due")
    def due(self, obj: Effect) -> SafeString | str:
        return show.when(obj.due_at) if obj.status == EffectStatus.WAITING else show.NOTHING

    @admin.display(description="ended")
    def ended(self, obj: Effect) -> str:
        return show.utc(obj.ended_at)

    @admin.display(description="message")
    def message(self, obj: Effect) -> SafeString | str:
        return show.raw_bytes(obj.value)
