"""Before a replay run: what it takes, and what it will do; and its start."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec
from django.contrib import messages
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.confirming import MAY, Question, ask, at_most, reason_in
from processing.admin.permissions import may
from processing.admin.readonly import start_of
from processing.domain.away import StoppedError
from processing.domain.replays import Choice, read_choice, write_choice
from processing.models import DeadLetter, FailureGroup, ReplayRun
from processing.operators import replay_runs
from processing.operators.replay_preview import Preview, more_than, preview

AWAY = "Postgres is not fit, see /health/ready: look, and try again."
KINDS = 6  # named
MAX_GROUP_DIGITS = 18


def may_replay(request: HttpRequest) -> bool:
    return may(request, "replay")


def url_of(ids: Collection[str]) -> str:
    return url_of_choice(Choice(ids=list(ids)))


def url_of_choice(choice: Choice) -> str:
    return f"{reverse('admin:processing_replayrun_start')}?{urlencode({'choice': write_choice(choice)})}"


def choice_of_list(request: HttpRequest) -> Choice | None:
    """What a list of dead letters shows, where a run can take just that: not of a search, nor of discarded ones."""
    asked = request.GET
    if asked.get("q") or asked.get("state", "open") != "open":
        return None
    group = asked.get("group", "")
    if group and not (group.isascii() and group.isdecimal() and len(group) <= MAX_GROUP_DIGITS):
        return None
    return Choice(
        group=int(group) if group else None,
        reason=asked.get("reason") or None,
        type=asked.get("type") or None,
        since=start_of(asked.get("time"), timezone.now()),
    )


def show_ids(request: HttpRequest, ids: Sequence[str]) -> HttpResponse:
    """The page for events that were selected in a list: all that match, if they were selected across its pages."""
    is_list_of_letters = request.path == reverse("admin:processing_deadletter_changelist")
    across = request.POST.get("select_across") == "1" and is_list_of_letters
    choice = (choice_of_list(request) if across else None) or Choice(ids=list(at_most(request, ids)))
    return show_preview(request, choice, request.get_full_path())


def start_view(request: HttpRequest) -> HttpResponse:
    """GET says what a run would do, POST starts it."""
    if not may_replay(request):
        raise PermissionDenied
    asked = request.POST if request.method == "POST" else request.GET
    try:
        choice = read_choice(asked.get("choice", ""))
    except (msgspec.MsgspecError, ValueError) as error:
        raise SuspiciousOperation("the choice cannot be read") from error
    if any("\0" in text for text in [*(choice.ids or ()), choice.type or "", choice.reason or ""]):
        raise SuspiciousOperation("a text has a NUL, which Postgres refuses")
    back = reverse("admin:processing_deadletter_changelist")
    if request.method != "POST":
        return show_preview(request, choice, back)
    try:
        run = replay_runs.start(choice, actor=request.user.get_username(), reason=reason_in(request))
    except StoppedError:
        messages.error(request, AWAY)
        return HttpResponseRedirect(back)
    return HttpResponseRedirect(show.change_url(ReplayRun, run))


def describe(choice: Choice) -> str:
    """What it takes, a group of failures by its name too."""
    group = None if choice.group is None else FailureGroup.objects.filter(pk=choice.group).first()
    return str(choice) if group is None else f"{choice} ({group})"


def show_preview(request: HttpRequest, choice: Choice, back: str) -> HttpResponse:
    try:
        found = preview(choice)
    except StoppedError:
        messages.error(request, AWAY)
        return HttpResponseRedirect(back)
    question = Question(
        title=f"Replay: {describe(choice)}",
        lines=found.effects,
        url=reverse("admin:processing_replayrun_start"),
        back=back,
        submit=f"Replay {found.number}" if found.counted.letters else "",
        reason=MAY,
        hidden={"choice": write_choice(choice)},
        facts=list(_facts(found)),
        sample=_sample(found),
    )
    return ask(request, question, ReplayRun._meta)


def _facts(found: Preview) -> Iterator[tuple[str, SafeString | str]]:
    yield "dead letters", found.number
    yield "users", more_than(found.counted.users)
    yield "the oldest since", show.utc(found.counted.oldest)
    kinds = [f"{number:,} {type or 'of no known type'} ({reason})" for reason, type, number in found.counted.kinds]
    more = f" and {len(kinds) - KINDS} other types" if len(kinds) > KINDS else ""
    yield "types", ", ".join(kinds[:KINDS]) + more or show.NOTHING


def _sample(found: Preview) -> SafeString | str:
    if not found.sample:
        return ""
    return show.table(
        ("the oldest", "user", "seq", "type", "error", "since"),
        (
            (
                show.link(DeadLetter, each.id, show.cut(each.carried_id or each.id)),
                show.cut(each.user_id),
                show.NOTHING if each.seq is None else each.seq,
                show.cut(each.type),
                show.cut(each.error, "wide"),
                show.when(each.queued_at),
            )
            for each in found.sample
        ),
    )
