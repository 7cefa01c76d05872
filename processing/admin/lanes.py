"""The lanes: where each user's numbered events stand, and what they wait for."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from processing.admin import show, user_page
from processing.admin.confirming import Question, ask
from processing.admin.passed_gaps import gaps_of
from processing.admin.permissions import may
from processing.admin.readonly import ReadOnlyAdmin, time_filter
from processing.domain.away import StoppedError
from processing.domain.statuses import Status
from processing.domain.texts import sentence
from processing.models import DeadLetter, InboxEvent, Kind, Lane, OperatorAction
from processing.operators.set_lane import foresee, set_lane
from processing.postgres.counts import count_waiting_behind
from processing.postgres.newest_events import Wanted, newest_events

SHOWN = 20
COUNTED = 1_000  # events behind a parked lane, at most: a page has many lanes
MAX_DIGITS = 16


class WaitingFilter(admin.SimpleListFilter):
    title = "waiting"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "for something"), *((each.value, each.label) for each in Lane.WaitsFor if each.value)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lane]) -> QuerySet[Lane]:
        waiting = queryset.filter(waiting_since__isnull=False) if self.value() else queryset
        return waiting if self.value() in (None, "yes") else waiting.filter(waits_for=self.value())


@admin.register(Lane)
class LaneAdmin(ReadOnlyAdmin):
    list_display = ("user_id", "next_seq", "waits_for", "waiting_for_so_long", "waiting_behind")
    list_filter = (WaitingFilter, time_filter("waiting_since"))
    ordering = ("user_id",)
    search_prefixes = ("user_id",)
    search_help_text = "The beginning of a user's id."
    fields = readonly_fields = (
        "strip",
        "next_seq",
        "what_it_waits_for",
        "waits_since",
        "waiting_events",
        "letters",
        "kept",
        "events",
        "passed_gaps",
        "on_record",
    )
    rows_of = {"letters": DeadLetter, "events": InboxEvent, "kept": InboxEvent}
    change_form_template = "admin/processing/lane_change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.set_view)
        return [path("<path:object_id>/set/", view, name="processing_lane_set"), *super().get_urls()]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Lane | None:
        """A user without numbered events has a page too."""
        found: Lane | None = super().get_object(request, object_id, from_field)
        if found is None and "\0" not in object_id and newest_events(Wanted(user_id=object_id), 1):
            return Lane(user_id=object_id, next_seq=1)
        return found

    def may_set(self, request: HttpRequest) -> bool:
        return may(request, "set_lane")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        url = reverse("admin:processing_lane_set", args=[quote(unquote(object_id))]) if self.may_set(request) else None
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "set_url": url})

    def set_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET says what setting the lane would do; POST does it."""
        user_id = unquote(object_id)
        if not self.may_set(request):
            raise PermissionDenied
        lane_url = show.change_url(Lane, user_id)
        asked = request.POST if request.method == "POST" else request.GET
        seq, replay = asked.get("seq", "").strip(), "replay" in asked
        if not seq.isascii() or not seq.isdecimal() or len(seq) > MAX_DIGITS:
            messages.error(request, "A lane's next seq is a positive integer.")
            return HttpResponseRedirect(lane_url)
        if request.method == "POST":
            self._set(request, user_id, int(seq), replay=replay)
            return HttpResponseRedirect(lane_url)
        foreseen = foresee(user_id, int(seq), replay=replay)
        question = Question(
            title=f"Set the lane of {user_id}",
            lines=[sentence(f"{foreseen}.")],
            url=request.path,
            back=lane_url,
            submit="Set the lane" if foreseen.changes else "",
            hidden={"seq": seq, **({"replay": "on"} if replay else {})},
        )
        return ask(request, question, self.model._meta)

    def _set(self, request: HttpRequest, user_id: str, seq: int, *, replay: bool) -> None:
        try:
            setting = set_lane(user_id, seq, replay=replay, actor=request.user.get_username())
        except StoppedError:
            messages.error(request, "Postgres is not fit, see /health/ready: look, and try again.")
            return
        level = messages.WARNING if setting.refused is not None else messages.SUCCESS
        messages.add_message(request, level, sentence(f"{setting}."))

    @admin.display(description="for so long")
    def waiting_for_so_long(self, obj: Lane) -> SafeString | str:
        return show.age(obj.waiting_since)

    @admin.display(description="waiting behind")
    def waiting_behind(self, obj: Lane) -> str:
        """Of a parked lane: others go on by themselves."""
        if obj.waits_for != Lane.WaitsFor.PARK:
            return ""
        number = count_waiting_behind(obj.user_id, obj.next_seq, COUNTED + 1)
        return f"{number:,}" if number <= COUNTED else f"over {COUNTED:,}"

    @admin.display(description="waits since")
    def waits_since(self, obj: Lane) -> str:
        return show.utc(obj.waiting_since)

    @admin.display(description="waits for")
    def what_it_waits_for(self, obj: Lane) -> SafeString | str:
        if obj.waits_for == Lane.WaitsFor.PARK:
            return self._what_it_is_parked_on(obj)
        front = _waiting(obj).first()
        if front is None:
            return "nothing"
        if front.seq != obj.next_seq:
            return (
                f"seq {obj.next_seq}, missing since {show.utc(obj.waiting_since)}; the next that is here is "
                f"{front.seq}. The gap is passed {settings.SEQUENCE_GAP_TIMEOUT_MS} ms (SEQUENCE_GAP_TIMEOUT_MS) "
                f"after that one was read, once {_what_must_be_done(front)}."
            )
        if front.waits_for is not None:
            return format_html(
                "{}, of which event {} is", show.link(Kind, front.waits_for), show.link(InboxEvent, front.pk)
            )
        if front.status == Status.RETRYING:
            return format_html(
                "the retry of event {} at {} (tries: {} of {})",
                show.link(InboxEvent, front.pk),
                show.utc(front.next_attempt_at),
                front.attempts,
                front.attempt_limit,
            )
        return format_html("nothing: event {} has its turn", show.link(InboxEvent, front.pk))

    def _what_it_is_parked_on(self, obj: Lane) -> SafeString:
        failed = InboxEvent.objects.filter(user_id=obj.user_id, seq=obj.next_seq, status=Status.FAILED)
        return format_html(
            "an operator, since {}: it is parked on the failed event {}, until a replay of that succeeds or it is "
            "discarded",
            show.utc(obj.waiting_since),
            format_html_join(
                ", ", "{}", ((show.link(DeadLetter, id),) for id in failed.values_list("pk", flat=True)[:1])
            ),
        )

    @admin.display(description="events that wait here")
    def waiting_events(self, obj: Lane) -> SafeString | str:
        rows = list(_waiting(obj)[: SHOWN + 1])
        lines = format_html_join(
            "", "<li>seq {}: {}, {}</li>", ((e.seq, show.link(InboxEvent, e.pk), e.status) for e in rows[:SHOWN])
        )
        more = format_html("<li>{}</li>", "… and more") if len(rows) > SHOWN else ""
        return format_html("<ul>{}{}</ul>", lines, more) if rows else show.NOTHING

    @admin.display(description="gaps that it passed")
    def passed_gaps(self, obj: Lane) -> SafeString | str:
        return gaps_of(obj.user_id)

    @admin.display(description="operator actions")
    def on_record(self, obj: Lane) -> SafeString | str:
        actions = OperatorAction.objects.filter(user_id=obj.user_id).order_by("-id")[:SHOWN]
        lines = [f"{show.utc(each.at)}  {each.actor}: {each.action} {each.detail}" for each in actions]
        return show.preformatted("\n".join(lines), show.TEXT_MAX_CHARS) if lines else show.NOTHING

    @admin.display(description="the lane")
    def strip(self, obj: Lane) -> SafeString | str:
        return user_page.picture(obj)

    @admin.display(description="newest events")
    def events(self, obj: Lane) -> SafeString | str:
        return user_page.newest_events(obj.user_id)

    @admin.display(description="open dead letters")
    def letters(self, obj: Lane) -> SafeString | str:
        return user_page.open_letters(obj.user_id)

    @admin.display(description="kept of this user")
    def kept(self, obj: Lane) -> SafeString | str:
        return user_page.kept_of(obj.user_id)


def _what_must_be_done(front: InboxEvent) -> str:
    if front.import_run is not None:
        return f"run {front.import_run} over its file is over and all that stood in the log by then is committed"
    return "all that stood in its partition by then is committed, and all that stood in added ones when they were seen"


def _waiting(lane: Lane) -> QuerySet[InboxEvent]:
    return user_page.waiting(lane.user_id, lane.next_seq).defer("payload", "raw", "key", "headers")
