"""The dead letters: events that are tried again only when an operator replays them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.acting import DISCARD, EDIT, REPLAY, UNDO_DISCARD, ActingAdmin, Action, Page
from processing.admin.edit_page import edit_view, edits_of
from processing.admin.events import is_open, record_of
from processing.admin.failure_groups import ReasonFilter
from processing.admin.readonly import TextFilter, text_filter, time_filter
from processing.admin.replay_start import choice_of_list, may_replay, url_of_choice
from processing.admin.searching import find_letters
from processing.models import DeadLetter, FailureGroup, InboxEvent, Lane

DISCARDED = "discarded"
NUMBER = re.compile(r"[0-9]{1,18}")


class DiscardedFilter(admin.SimpleListFilter):
    """Open ones, unless asked otherwise: discarded ones stay in the table for ever. A search looks at both."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "open"), (DISCARDED, "discarded")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        if self.value() is None and request.GET.get("q"):
            return queryset
        return queryset.filter(discarded_at__isnull=self.value() != DISCARDED)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Without "all"."""
        searched = bool(changelist.query)
        for value, title in self.lookup_choices:
            selected = self.value() == value or (self.value() is None and value == "open" and not searched)
            yield {
                "selected": selected,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }


class GroupFilter(TextFilter):
    """By the number of a group of failures, as its page links here."""

    title = "group's number"
    parameter_name = "group"

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(group=int(value)) if NUMBER.fullmatch(value) else queryset.none()


@admin.register(DeadLetter)
class DeadLetterAdmin(ActingAdmin):
    acts = (REPLAY, EDIT, DISCARD, UNDO_DISCARD)
    list_display = ("id", "short_error", "short_type", "short_user", "attempts", "queued", "why", "state")
    list_filter = (
        DiscardedFilter,
        ReasonFilter,
        time_filter("queued_at"),
        text_filter("type", called="type", parameter="type"),
        GroupFilter,
    )
    list_select_related = ("event",)
    ordering = ("-queued_at", "-event_id")
    search_prefixes = ("event_id",)
    search_help_text = "The beginning of an id or a user, a type, any part of an error."
    export_columns = (
        "event_id",
        "carried_id",
        "reason",
        "user_id",
        "type",
        "event__attempts",
        "group__error_class",
        "group__place",
        "event__error",
        "queued_at",
        "discarded_at",
        "event__payload",
    )
    heavy_fields = ("event__payload", "event__raw", "event__key")
    fields = readonly_fields = (
        "event_link",
        "carried",
        "reason",
        "state",
        "group_link",
        "user",
        "type",
        "attempts",
        "error",
        "queued",
        "published",
        "discarded",
        "pretty_payload",
        "message_bytes",
        "edited",
        "on_record",
    )

    optional_fields = frozenset({"carried", "discarded", "edited", "on_record"})

    def find(self, queryset: QuerySet[DeadLetter], term: str) -> set[str]:
        return find_letters(queryset, term)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(edit_view)
        return [path("<path:object_id>/edit/", view, name="processing_deadletter_edit"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        choice = choice_of_list(request) if may_replay(request) else None
        url = None if choice is None else url_of_choice(choice)
        return super().changelist_view(request, {**(extra_context or {}), "replay_url": url})

    def legal_in_list(self, request: HttpRequest) -> Collection[Action | Page]:
        return (UNDO_DISCARD,) if request.GET.get("state") == DISCARDED else (REPLAY, DISCARD)

    def legal_for(self, obj: DeadLetter) -> Collection[Action | Page]:
        return (REPLAY, EDIT, DISCARD) if is_open(obj) else (UNDO_DISCARD,)

    @admin.display(description="event")
    def event_link(self, obj: DeadLetter) -> SafeString:
        return show.link(InboxEvent, obj.pk)

    @admin.display(description="id")
    def id(self, obj: DeadLetter) -> SafeString | str:
        """The one that its sender knows, if it could be read."""
        return show.cut(obj.carried_id or obj.pk)

    @admin.display(description="the id that it carries")
    def carried(self, obj: DeadLetter) -> str:
        return obj.carried_id or show.NOTHING

    @admin.display(description="group of failures")
    def group_link(self, obj: DeadLetter) -> SafeString:
        return show.link(FailureGroup, obj.group_id, str(obj.group))

    @admin.display(description="user")
    def user(self, obj: DeadLetter) -> SafeString | str:
        return show.link(Lane, obj.user_id) if obj.user_id else show.NOTHING

    @admin.display(description="user")
    def short_user(self, obj: DeadLetter) -> SafeString | str:
        return show.cut(obj.user_id, "narrow")

    @admin.display(description="type")
    def short_type(self, obj: DeadLetter) -> SafeString | str:
        return show.cut(obj.type)

    @admin.display(description="reason")
    def why(self, obj: DeadLetter) -> str:
        return obj.reason

    @admin.display(description="tries")
    def attempts(self, obj: DeadLetter) -> int:
        return obj.event.attempts

    @admin.display(description="error")
    def short_error(self, obj: DeadLetter) -> SafeString | str:
        return show.cut(obj.event.error, "wide")

    @admin.display(description="error")
    def error(self, obj: DeadLetter) -> SafeString:
        return show.preformatted(obj.event.error or show.NOTHING, show.TEXT_MAX_CHARS)

    @admin.display(description="state")
    def state(self, obj: DeadLetter) -> SafeString:
        return show.status("open" if is_open(obj) else DISCARDED)

    @admin.display(description="since")
    def queued(self, obj: DeadLetter) -> SafeString | str:
        return show.when(obj.queued_at)

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

    @admin.display(description="edited")
    def edited(self, obj: DeadLetter) -> SafeString | str:
        return edits_of(obj.pk)

    @admin.display(description="operator actions")
    def on_record(self, obj: DeadLetter) -> SafeString | str:
        return record_of(obj.pk)
