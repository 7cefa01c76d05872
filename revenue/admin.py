"""Balances and the ledger in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.readonly import ReadOnlyAdmin, text_filter
from processing.domain.texts import counted
from processing.models import InboxEvent
from revenue.models import LedgerEntry, UserRevenue


class SignFilter(admin.SimpleListFilter):
    """By whether a column is below zero."""

    field = ""
    words: tuple[str, str] = ("", "")  # below zero, and not

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("below", self.words[0]), ("not_below", self.words[1])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "below":
                return queryset.filter(**{f"{self.field}__lt": 0})
            case "not_below":
                return queryset.filter(**{f"{self.field}__gte": 0})
        return queryset


class BalanceFilter(SignFilter):
    title = "balance"
    parameter_name = "balance"
    field = "revenue"
    words = ("below zero", "zero or more")


class ChangeFilter(SignFilter):
    title = "change"
    parameter_name = "change"
    field = "amount"
    words = ("subtracted", "added")


@admin.register(UserRevenue)
class UserRevenueAdmin(ReadOnlyAdmin):
    list_display = ("user_id", "revenue", "entries")
    list_filter = (BalanceFilter,)
    ordering = ("user_id",)
    search_prefixes = ("user_id",)
    search_help_text = "The beginning of a user's id."
    fields = readonly_fields = ("user_id", "revenue", "ledger", "events")

    @admin.display(description="ledger")
    def ledger(self, obj: UserRevenue) -> SafeString:
        return show.list_link(LedgerEntry, counted(obj.entries, "entry"), user=obj.user_id)

    @admin.display(description="events")
    def events(self, obj: UserRevenue) -> SafeString:
        return show.list_link(InboxEvent, "of this user", user=obj.user_id)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "user_id", "number", "amount", "entered")
    list_filter = (ChangeFilter, text_filter("user_id", called="user", parameter="user"))
    ordering = ("-user_id", "-number")  # a user's newest first, as the index has them
    search_prefixes = ("event_id", "user_id")
    search_help_text = "The beginning of an event's id or of a user's."
    fields = readonly_fields = ("event", "user", "number", "amount", "entered")

    @admin.display(description="event")
    def event(self, obj: LedgerEntry) -> SafeString:
        return show.link(InboxEvent, obj.event_id)

    @admin.display(description="user")
    def user(self, obj: LedgerEntry) -> SafeString:
        return show.link(UserRevenue, obj.user_id)

    @admin.display(description="entered")
    def entered(self, obj: LedgerEntry) -> str:
        return show.utc(obj.created_at)
