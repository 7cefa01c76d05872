"""What a lane's page shows of its user: the lane as a picture, the newest events, the dead letters, and what the
families keep of a user."""

from __future__ import annotations

from django.db.models import Case, QuerySet, When
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from processing.admin import show
from processing.domain.families import kinds
from processing.domain.lane_strip import BEHIND, Cell, cells, window
from processing.domain.statuses import WAITING
from processing.models import DeadLetter, InboxEvent, Lane, PassedGap
from processing.postgres.newest_events import Wanted
from processing.postgres.newest_events import newest_events as newest

SHOWN = 10
GAPS = 200  # the newest, of which those in the picture are shown
LEGEND = ("processed", "failed", "retrying", "held", "missing", "passed", "skipped", "unknown")


def waiting(user_id: str, first_seq: int) -> QuerySet[InboxEvent]:
    """A user's events that wait, from a seq on, by seq. CASE hides their status from the planner, which would read all
    that waits, of whomever."""
    waits = Case(When(status__in=sorted(WAITING), then=True), default=False)
    return InboxEvent.objects.alias(waits=waits).filter(user_id=user_id, seq__gte=first_seq, waits=True).order_by("seq")


def picture(lane: Lane) -> SafeString | str:
    first, last = window(lane.next_seq)
    rows = InboxEvent.objects.filter(user_id=lane.user_id, seq__gte=first, seq__lte=last)
    found = rows.order_by("seq").values_list("seq", "status", "pk")[: 10 * (last - first)]
    events = [(seq, status, id) for seq, status, id in found if seq is not None]
    next_behind = waiting(lane.user_id, last + 1).values_list("seq", flat=True).first()
    if not events and lane.next_seq == 1 and next_behind is None:
        return "no numbered event yet"
    newest = PassedGap.objects.filter(user_id=lane.user_id).order_by("-id")[:GAPS]
    gaps = [(gap.first_seq, gap.last_seq) for gap in newest]
    strip = cells(lane.next_seq, events, gaps, more_waits=next_behind is not None)
    drawn = format_html_join("", "{}", ((_cell(cell, lane),) for cell in strip))
    legend = format_html_join("", '<span class="{}">{}</span>', ((each, each) for each in LEGEND))
    more = "" if next_behind is None else f"… and behind {lane.next_seq + BEHIND}: seq {next_behind} waits"
    return format_html('<div class="lane">{}</div>{}<div class="lane legend">{}</div>', drawn, more, legend)


def _cell(cell: Cell, lane: Lane) -> SafeString:
    is_next = cell.seq == lane.next_seq
    css = f"{cell.state} next" if is_next else cell.state
    if not cell.event_id:
        return format_html('<span class="{}" title="seq {}: {}">{}</span>', css, cell.seq, cell.state, cell.seq)
    url = show.change_url(InboxEvent, cell.event_id)
    parked = ", the lane is parked on it" if is_next and lane.waits_for == Lane.WaitsFor.PARK else ""
    title = f"seq {cell.seq}: {cell.state}, {cell.event_id}{parked}"
    return format_html('<a class="{}" href="{}" title="{}">{}</a>', css, url, title, cell.seq)


def newest_events(user_id: str) -> SafeString | str:
    rows = newest(Wanted(user_id=user_id), SHOWN)
    if not rows:
        return show.NOTHING
    head = ("id", "status", "type", "seq", "error", "received")
    lines = (
        (
            show.link(InboxEvent, row.id),
            show.status(row.status),
            row.type,
            show.NOTHING if row.seq is None else row.seq,
            show.cut(row.error, "wide"),
            show.when(row.received_at),
        )
        for row in rows
    )
    return format_html("{}{}", show.table(head, lines), show.list_link(InboxEvent, "all", user=user_id))


def open_letters(user_id: str) -> SafeString | str:
    rows = list(
        DeadLetter.objects.filter(user_id=user_id, discarded_at=None)
        .select_related("event")
        .only("carried_id", "type", "queued_at", "event__error")
        .order_by("-queued_at")[:SHOWN]
    )
    if not rows:
        return show.NOTHING
    lines = (
        (
            show.link(DeadLetter, row.pk, row.carried_id or row.pk),
            row.type,
            show.cut(row.event.error, "wide"),
            show.when(row.queued_at),
        )
        for row in rows
    )
    all_of_them = show.list_link(DeadLetter, "all", q=user_id, state="open")
    return format_html("{}{}", show.table(("id", "type", "error", "since"), lines), all_of_them)


def kept_of(user_id: str) -> SafeString | str:
    """What the families' own tables have of a user, such as revenue."""
    links = {kind.user_link for kind in kinds() if kind.user_link is not None}
    found = [row for link in sorted(links, key=repr) if (row := link(user_id))]
    if not found:
        return show.NOTHING
    return format_html_join(", ", "{}", ((show.link(type(row), row.pk, text),) for row, text in found))
