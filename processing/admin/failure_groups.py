"""The groups of failures: dead letters of one reason, kind and cause, the open groups first."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.readonly import ReadOnlyAdmin, text_filter, time_filter
from processing.admin.replay_start import may_replay, url_of_choice
from processing.domain.replays import Choice
from processing.models import DeadLetter, FailureGroup, Traceback

SHOWN = 10


class ResolvedFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "open"), ("resolved", "resolved")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> QuerySet[FailureGroup]:
        if self.value() is None:
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() == "open")


class ReasonFilter(admin.SimpleListFilter):
    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(reason.value, reason.label) for reason in DeadLetter.Reason]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(FailureGroup)
class FailureGroupAdmin(ReadOnlyAdmin):
    list_display = ("cause", "where", "kind", "reason", "open", "total", "last", "first", "state")
    list_filter = (
        ResolvedFilter,
        ReasonFilter,
        time_filter("last_seen"),
        text_filter("kind", called="kind", parameter="kind"),
    )
    ordering = (F("resolved_at").desc(nulls_first=True), "-last_seen", "-id")
    search_prefixes = ("error_class", "place", "kind")
    search_help_text = "The beginning of a class, a place or a kind."
    rows_of = {"newest": DeadLetter}
    change_form_template = "admin/processing/acting_change_form.html"
    fields = readonly_fields = (
        "state",
        "why",
        "kind",
        "error_class",
        "place",
        "counts",
        "first",
        "last",
        "traceback",
        "newest",
    )

    @admin.display(description="class")
    def cause(self, obj: FailureGroup) -> SafeString | str:
        return show.cut(obj.error_class)

    @admin.display(description="place")
    def where(self, obj: FailureGroup) -> SafeString | str:
        return show.cut(obj.place)

    @admin.display(description="reason")
    def why(self, obj: FailureGroup) -> str:
        return DeadLetter.Reason(obj.reason).label

    @admin.display(description="first seen")
    def first(self, obj: FailureGroup) -> SafeString | str:
        return show.when(obj.first_seen)

    @admin.display(description="last seen")
    def last(self, obj: FailureGroup) -> SafeString | str:
        return show.when(obj.last_seen)

    @admin.display(description="state")
    def state(self, obj: FailureGroup) -> SafeString:
        if obj.resolved_at is None:
            return show.status("open")
        return format_html("{} {}", show.status("resolved"), show.when(obj.resolved_at))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        group = self.get_object(request, unquote(object_id)) if may_replay(request) else None
        buttons = []
        if group is not None and group.open:
            url = url_of_choice(Choice(group=group.pk))
            buttons = [{"label": "Replay its open ones", "url": url, "asks": True}]
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "buttons": buttons})

    @admin.display(description="dead letters")
    def counts(self, obj: FailureGroup) -> SafeString:
        return format_html("{} ({} in all)", letters_of(obj), obj.total)

    @admin.display(description="traceback of its latest hour")
    def traceback(self, obj: FailureGroup) -> SafeString | str:
        found = Traceback.objects.filter(error_class=obj.error_class, place=obj.place).order_by("-hour").first()
        return show.NOTHING if found is None else show.preformatted(found.text, show.TEXT_MAX_CHARS)

    @admin.display(description="its newest")
    def newest(self, obj: FailureGroup) -> SafeString | str:
        letters = list(
            obj.letters.filter(discarded_at=None)
            .select_related("event")
            .only("carried_id", "user_id", "queued_at", "event__error")
            .order_by("-queued_at", "-pk")[:SHOWN]
        )
        if not letters:
            return "none is open"
        return show.table(
            ("id", "user", "error", "since"),
            (
                (
                    show.link(DeadLetter, letter.pk, letter.carried_id or letter.pk),
                    letter.user_id or show.NOTHING,
                    show.cut(letter.event.error, "wide"),
                    show.when(letter.queued_at),
                )
                for letter in letters
            ),
        )


def letters_of(group: FailureGroup) -> SafeString:
    return show.list_link(DeadLetter, f"{group.open} open", group=str(group.pk))
