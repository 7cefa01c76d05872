"""The inbox: every event, and what became of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.acting import (
    DISCARD,
    EDIT,
    PAUSE_FAMILY,
    PAUSE_TYPE,
    REPLAY,
    RETRY_NOW,
    UNDO_DISCARD,
    ActingAdmin,
    Action,
    Page,
)
from processing.admin.edit_page import edits_of
from processing.admin.readonly import EndlessChangeList, start_of, text_filter, time_filter
from processing.admin.searching import find_events
from processing.admin.timeline import timeline
from processing.domain.families import families, kinds
from processing.domain.messages import read_headers
from processing.domain.statuses import Status
from processing.models import DeadLetter, FailureGroup, ImportRun, InboxEvent, Lane, OperatorAction
from processing.postgres.newest_events import LOOKED_AT, Wanted, is_bounded, newest_events

RECORD_LINES = 20
LEGAL_IN_LIST: dict[str, tuple[Action | Page, ...]] = {  # by the filter's status
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


class InboxList(EndlessChangeList):
    """Filters are looked for along one index: with two of them the planner may read the whole inbox."""

    def page_of_keys(self, request: HttpRequest, first: int, most: int) -> list[Any]:
        if self.query:  # what a search has found is few
            return super().page_of_keys(request, first, most)
        values = {name: value for name, value in self.params.items() if value}
        wanted = Wanted(
            user_id=values.get("user"),
            family={"none": ""}.get(values.get("family", ""), values.get("family")),
            type=values.get("type"),
            status=values.get("status"),
            waits_for=values.get("kind"),
            since=start_of(values.get("time"), timezone.now()),
        )
        self.looked_at = LOOKED_AT if is_bounded(wanted) else None
        if any("\0" in value for value in wanted.equal().values()):
            return []
        return [event.id for event in newest_events(wanted, most, first)]


@admin.register(InboxEvent)
class InboxEventAdmin(ActingAdmin):
    acts = (RETRY_NOW, REPLAY, EDIT, DISCARD, UNDO_DISCARD, PAUSE_TYPE, PAUSE_FAMILY)
    list_display = ("event_id", "status_word", "short_error", "what", "short_user", "seq", "tries", "received")
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
    search_help_text = "The beginning of an id or a user, a type, an error's class."
    heavy_fields = ("payload", "raw", "key", "headers")
    fields = readonly_fields = (
        "described_status",
        "happenings",
        "error",
        "carried",
        "user",
        "seq",
        "type",
        "family",
        "family_row",
        "letter",
        "group",
        "tries",
        "occurred",
        "place",
        "pretty_payload",
        "message_key",
        "message_headers",
        "message_bytes",
        "edited",
        "on_record",
    )

    optional_fields = frozenset(
        {"error", "carried", "seq", "family", "family_row", "letter", "group", "edited", "on_record"}
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[EndlessChangeList]:
        return InboxList

    def find(self, queryset: QuerySet[InboxEvent], term: str) -> set[str]:
        return find_events(queryset, term)

    def legal_in_list(self, request: HttpRequest) -> Collection[Action | Page]:
        return LEGAL_IN_LIST.get(request.GET.get("status", ""), ())

    def legal_for(self, obj: InboxEvent) -> Collection[Action | Page]:
        if obj.status == Status.RETRYING:
            return (RETRY_NOW,)
        letter = _letter(obj)
        if letter is None:
            return ()
        return (REPLAY, EDIT, DISCARD) if is_open(letter) else (UNDO_DISCARD,)

    def legal_for_kind_of(self, obj: InboxEvent) -> Collection[Action]:
        if not obj.type:
            return ()
        return (PAUSE_TYPE, PAUSE_FAMILY) if obj.family else (PAUSE_TYPE,)

    @admin.display(description="id")
    def event_id(self, obj: InboxEvent) -> SafeString | str:
        return show.cut(obj.pk)

    @admin.display(description="error")
    def short_error(self, obj: InboxEvent) -> SafeString | str:
        return show.cut(obj.error, "wide")

    @admin.display(description="type")
    def what(self, obj: InboxEvent) -> SafeString | str:
        return show.cut(f"{obj.family}/{obj.type}" if obj.family else obj.type)

    @admin.display(description="user")
    def short_user(self, obj: InboxEvent) -> SafeString | str:
        return show.cut(obj.user_id, "narrow")

    @admin.display(description="status")
    def described_status(self, obj: InboxEvent) -> SafeString:
        return format_html("{} {}", show.status(obj.status), obj.get_status_display().partition(": ")[2])

    @admin.display(description="what happened")
    def happenings(self, obj: InboxEvent) -> SafeString:
        return timeline(obj, _letter(obj))

    @admin.display(description="the id that it carries")
    def carried(self, obj: InboxEvent) -> str:
        letter = _letter(obj)
        return (letter.carried_id if letter else "") or show.NOTHING

    @admin.display(description="group of failures")
    def group(self, obj: InboxEvent) -> SafeString | str:
        letter = _letter(obj)
        return show.NOTHING if letter is None else show.link(FailureGroup, letter.group_id, str(letter.group))

    @admin.display(description="user")
    def user(self, obj: InboxEvent) -> SafeString | str:
        if not obj.user_id:
            return show.NOTHING
        events = show.list_link(InboxEvent, "events", user=obj.user_id)
        return format_html("{} ({}, {})", obj.user_id, show.link(Lane, obj.user_id, "lane"), events)

    @admin.display(description="row of its family")
    def family_row(self, obj: InboxEvent) -> SafeString | str:
        found = _find_row(obj) if obj.family and obj.status == Status.PROCESSED else None
        return show.NOTHING if found is None else show.link(type(found[0]), found[0].pk, found[1])

    @admin.display(description="tries")
    def tries(self, obj: InboxEvent) -> str:
        return str(obj.attempts) if obj.attempt_limit is None else f"{obj.attempts} of {obj.attempt_limit}"

    @admin.display(description="dead letter")
    def letter(self, obj: InboxEvent) -> SafeString | str:
        letter = _letter(obj)
        return show.NOTHING if letter is None else show.link(DeadLetter, obj.pk, letter.get_reason_display())

    @admin.display(description="happened")
    def occurred(self, obj: InboxEvent) -> str:
        return show.utc(obj.occurred_at)

    @admin.display(description="status")
    def status_word(self, obj: InboxEvent) -> SafeString:
        return show.status(obj.status)

    @admin.display(description="received")
    def received(self, obj: InboxEvent) -> SafeString | str:
        return show.when(obj.received_at)

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

    @admin.display(description="edited")
    def edited(self, obj: InboxEvent) -> SafeString | str:
        return edits_of(obj.pk)

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
    """Asked once a page."""
    if not hasattr(event, "found_letter"):
        found = DeadLetter.objects.select_related("group").filter(pk=event.pk).first()
        event.found_letter = found  # type: ignore[attr-defined]
    letter: DeadLetter | None = event.found_letter  # type: ignore[attr-defined]
    return letter
