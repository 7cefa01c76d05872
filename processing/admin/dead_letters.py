"""The dead letters: events that are tried again only when an operator replays them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.acting import DISCARD, REPLAY, ActingAdmin, Action
from processing.admin.events import is_open, record_of
from processing.admin.readonly import text_filter, time_filter
from processing.domain.statuses import Status
from processing.models import DeadLetter, InboxEvent

DISCARDED = "discarded"


class DiscardedFilter(admin.SimpleListFilter):
    """Open ones, unless asked otherwise: discarded ones stay in the table for ever."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "open"), (DISCARDED, "discarded")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        if self.value() is None:
            return queryset
        return queryset.filter(discarded_at__isnull=self.value() != DISCARDED)


class ReasonFilter(admin.SimpleListFilter):
    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(reason.value, reason.label) for reason in DeadLetter.Reason]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(DeadLetter)
class DeadLetterAdmin(ActingAdmin):
    list_display = ("event_id", "reason", "user_id", "type", "attempts", "short_error", "queued", "state")
    list_filter = (
        DiscardedFilter,
        ReasonFilter,
        time_filter("queued_at"),
        text_filter("event__type", called="type", parameter="type"),
    )
    list_select_related = ("event",)
    ordering = ("-queued_at", "-event_id")
    search_prefixes = ("event__id", "event__user_id")
    search_help_text = "The beginning of an event's id or of a user's."
    heavy_fields = ("event__payload", "event__raw", "event__key")
    fields = readonly_fields = (
        "event_link",
        "reason",
        "state",
        "user_id",
        "type",
        "attempts",
        "error",
        "queued",
        "published",
        "discarded",
        "pretty_payload",
        "message_bytes",
        "on_record",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter], search_term: str
    ) -> tuple[QuerySet[DeadLetter], bool]:
        """Through the inbox's own indexes: an OR across the join would read the whole table."""
        if not search_term:
            return queryset, False
        wanted = Q(pk__startswith=search_term) | Q(user_id__startswith=search_term)
        events = InboxEvent.objects.filter(wanted, status=Status.FAILED)
        return queryset.filter(pk__in=events.values("pk")), False

    def legal_in_list(self, request: HttpRequest) -> Collection[Action]:
        return () if request.GET.get("state") == DISCARDED else (REPLAY, DISCARD)

    def legal_for(self, obj: DeadLetter) -> Collection[Action]:
        return (REPLAY, DISCARD) if is_open(obj) else ()

    @admin.display(description="event")
    def event_link(self, obj: DeadLetter) -> SafeString:
        return show.link(InboxEvent, obj.pk)

    @admin.display(description="user")
    def user_id(self, obj: DeadLetter) -> str:
        return obj.event.user_id or show.NOTHING

    @admin.display(description="type")
    def type(self, obj: DeadLetter) -> str:
        return obj.event.type or show.NOTHING

    @admin.display(description="tries")
    def attempts(self, obj: DeadLetter) -> int:
        return obj.event.attempts

    @admin.display(description="error")
    def short_error(self, obj: DeadLetter) -> str:
        return (obj.event.error or "")[:80]

    @admin.display(description="error")
    def error(self, obj: DeadLetter) -> SafeString:
        return show.preformatted(obj.event.error or show.NOTHING, show.TEXT_MAX_CHARS)

    @admin.display(description="state")
    def state(self, obj: DeadLetter) -> str:
        return "open" if is_open(obj) else "discarded"

    @admin.display(description="since")
    def queued(self, obj: DeadLetter) -> str:
        return show.utc(obj.queued_at)

    @admin.display(description="copied to its topic")
    def published(self, obj: DeadLetter) -> str:
        return show.utc(obj.published_at)

    @admin.display(description="discarded")
    def discarded(self, obj: DeadLetter) -> str:
        return show.utc(obj.discarded_at)

    @admin.display(description="payload")
    def pretty_payload(self, obj: DeadLetter) -> SafeString | str:
        return show.json_text(obj.event.payload)

    @admin.display(description="message")
    def message_bytes(self, obj: DeadLetter) -> SafeString | str:
        return show.raw_bytes(obj.event.raw)

    @admin.display(description="operator actions")
    def on_record(self, obj: DeadLetter) -> SafeString | str:
        return record_of(obj.pk)
