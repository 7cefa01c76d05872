"""The inbox: every event, and what became of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.acting import DISCARD, PAUSE_FAMILY, PAUSE_TYPE, REPLAY, RETRY_NOW, ActingAdmin, Action
from processing.admin.readonly import text_filter, time_filter
from processing.domain.families import families, kinds
from processing.domain.messages import read_headers
from processing.domain.statuses import Status
from processing.models import DeadLetter, ImportRun, InboxEvent, Kind, Lane, OperatorAction

RECORD_LINES = 20
LEGAL_IN_LIST: dict[str, tuple[Action, ...]] = {  # by the filter's status
    "": (RETRY_NOW, REPLAY, DISCARD),
    Status.RETRYING: (RETRY_NOW,),
    Status.FAILED: (REPLAY, DISCARD),
}


class FamilyFilter(admin.SimpleListFilter):
    title = "family"
    parameter_name = "family"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(family.name, family.name) for family in families()] + [("none", "none")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[InboxEvent]) -> QuerySet[InboxEvent]:
        value = self.value()
        return queryset if not value else queryset.filter(family="" if value == "none" else value)


class StatusFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, status.value) for status in Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[InboxEvent]) -> QuerySet[InboxEvent]:
        return queryset.filter(status=self.value()) if self.value() else queryset


@admin.register(InboxEvent)
class InboxEventAdmin(ActingAdmin):
    list_display = ("id", "status_word", "user_id", "type", "family", "seq", "attempts", "received", "short_error")
    list_filter = (
        StatusFilter,
        time_filter("received_at"),
        FamilyFilter,
        text_filter("type", called="type", parameter="type"),
        text_filter("user_id", called="user", parameter="user"),
        text_filter("waits_for", called="kind that it waits for", parameter="kind"),
    )
    ordering = ("-received_at", "-id")
    search_prefixes = ("id", "user_id")
    search_help_text = "The beginning of an event's id or of a user's."
    heavy_fields = ("payload", "raw", "key", "headers")
    fields = readonly_fields = (
        "id",
        "described_status",
        "user",
        "seq",
        "type",
        "family",
        "family_row",
        "tries",
        "error",
        "next_try",
        "kind",
        "letter",
        "occurred",
        "received",
        "final",
        "place",
        "pretty_payload",
        "message_key",
        "message_headers",
        "message_bytes",
        "on_record",
    )

    def legal_in_list(self, request: HttpRequest) -> Collection[Action]:
        return LEGAL_IN_LIST.get(request.GET.get("status", ""), ())

    def legal_for(self, obj: InboxEvent) -> Collection[Action]:
        if obj.status == Status.RETRYING:
            return (RETRY_NOW,)
        return (REPLAY, DISCARD) if is_open(_letter(obj)) else ()

    def legal_for_kind_of(self, obj: InboxEvent) -> Collection[Action]:
        if not obj.type:
            return ()
        return (PAUSE_TYPE, PAUSE_FAMILY) if obj.family else (PAUSE_TYPE,)

    @admin.display(description="error")
    def short_error(self, obj: InboxEvent) -> str:
        return (obj.error or "")[:80]

    @admin.display(description="status")
    def described_status(self, obj: InboxEvent) -> str:
        return obj.get_status_display()

    @admin.display(description="user")
    def user(self, obj: InboxEvent) -> SafeString | str:
        if not obj.user_id:
            return show.NOTHING
        events = show.list_link(InboxEvent, "events", user=obj.user_id)
        if obj.seq is None:
            return format_html("{} ({})", obj.user_id, events)
        return format_html("{} ({}, {})", obj.user_id, show.link(Lane, obj.user_id, "lane"), events)

    @admin.display(description="row of its family")
    def family_row(self, obj: InboxEvent) -> SafeString | str:
        found = _find_row(obj) if obj.family and obj.status == Status.PROCESSED else None
        return show.NOTHING if found is None else show.link(type(found[0]), found[0].pk, found[1])

    @admin.display(description="tries")
    def tries(self, obj: InboxEvent) -> str:
        return str(obj.attempts) if obj.attempt_limit is None else f"{obj.attempts} of {obj.attempt_limit}"

    @admin.display(description="next try")
    def next_try(self, obj: InboxEvent) -> str:
        return show.utc(obj.next_attempt_at) if obj.status == Status.RETRYING else show.NOTHING

    @admin.display(description="waits for")
    def kind(self, obj: InboxEvent) -> SafeString | str:
        return show.NOTHING if obj.waits_for is None else show.link(Kind, obj.waits_for)

    @admin.display(description="dead letter")
    def letter(self, obj: InboxEvent) -> SafeString | str:
        letter = _letter(obj)
        return show.NOTHING if letter is None else show.link(DeadLetter, obj.pk, letter.get_reason_display())

    @admin.display(description="happened")
    def occurred(self, obj: InboxEvent) -> str:
        return show.utc(obj.occurred_at)

    @admin.display(description="status")
    def status_word(self, obj: InboxEvent) -> str:
        return obj.status

    @admin.display(description="received")
    def received(self, obj: InboxEvent) -> str:
        return show.utc(obj.received_at)

    @admin.display(description="final since")
    def final(self, obj: InboxEvent) -> str:
        return show.utc(obj.final_at)

    @admin.display(description="where it stood")
    def place(self, obj: InboxEvent) -> SafeString | str:
        if obj.import_run is not None:
            source = ImportRun.objects.filter(pk=obj.import_run).values_list("source", flat=True).first()
            run = show.link(ImportRun, obj.import_run, f"run {obj.import_run}")
            return format_html("file {}, line {} ({})", source or show.NOTHING, obj.offset, run)
        if obj.topic is None:
            return show.NOTHING
        return f"topic {obj.topic}, partition {obj.partition}, offset {obj.offset}"

    @admin.display(description="payload")
    def pretty_payload(self, obj: InboxEvent) -> SafeString | str:
        return show.json_text(obj.payload)

    @admin.display(description="message key")
    def message_key(self, obj: InboxEvent) -> SafeString | str:
        return show.raw_bytes(obj.key)

    @admin.display(description="message headers")
    def message_headers(self, obj: InboxEvent) -> SafeString | str:
        return show.headers(read_headers(obj.headers))

    @admin.display(description="message")
    def message_bytes(self, obj: InboxEvent) -> SafeString | str:
        return show.raw_bytes(obj.raw)

    @admin.display(description="operator actions")
    def on_record(self, obj: InboxEvent) -> SafeString | str:
        return record_of(obj.pk)


def record_of(event_id: str) -> SafeString | str:
    """What operators did to an event, latest first."""
    actions = OperatorAction.objects.filter(event_id=event_id).order_by("-id")[:RECORD_LINES]
    lines = [f"{show.utc(each.at)}  {each.actor}: {each.action}  {each.detail}".rstrip() for each in actions]
    if not lines:
        return show.NOTHING
    all_of_them = show.list_link(OperatorAction, "all", event=event_id)
    return format_html("{}{}", show.preformatted("\n".join(lines), show.TEXT_MAX_CHARS), all_of_them)


def _find_row(event: InboxEvent) -> tuple[Any, str] | None:
    """The row that a handler of its family wrote, and its name; None without one."""
    for kind in kinds():
        if kind.name == event.family and kind.admin_link and (found := kind.admin_link(event.pk)):
            return found
    return None


def is_open(letter: DeadLetter | None) -> bool:
    return letter is not None and letter.discarded_at is None


def _letter(event: InboxEvent) -> DeadLetter | None:
    return DeadLetter.objects.filter(pk=event.pk).first()
