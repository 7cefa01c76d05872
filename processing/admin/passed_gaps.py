"""Passed gaps: seqs that did not come in time, so that their lanes went on without them."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.readonly import ReadOnlyAdmin, text_filter, time_filter
from processing.models import Lane, PassedGap

SHOWN = 20


@admin.register(PassedGap)
class PassedGapAdmin(ReadOnlyAdmin):
    list_display = ("id", "passed", "lane", "first_seq", "last_seq", "waited")
    list_filter = (time_filter("passed_at"), text_filter("user_id", called="user", parameter="user"))
    ordering = ("-id",)
    search_prefixes = ("user_id",)
    search_help_text = "The beginning of a user's id."
    fields = readonly_fields = ("passed", "lane", "first_seq", "last_seq", "waited")

    @admin.display(description="passed")
    def passed(self, obj: PassedGap) -> str:
        return show.utc(obj.passed_at)

    @admin.display(description="lane of")
    def lane(self, obj: PassedGap) -> SafeString:
        return show.link(Lane, obj.user_id)

    @admin.display(description="was waited for")
    def waited(self, obj: PassedGap) -> str:
        return f"{obj.waited_ms} ms"


def gaps_of(user_id: str) -> SafeString | str:
    """The latest gaps that a user's lane passed."""
    rows = list(PassedGap.objects.filter(user_id=user_id).order_by("-id")[:SHOWN])
    if not rows:
        return show.NOTHING
    lines = format_html_join(
        "",
        "<li>seq {} to {}, at {}, after {} ms</li>",
        ((each.first_seq, each.last_seq, show.utc(each.passed_at), each.waited_ms) for each in rows),
    )
    return format_html("<ul>{}</ul>{}", lines, show.list_link(PassedGap, "all", user=user_id))
