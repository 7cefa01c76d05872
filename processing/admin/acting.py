"""Actions on lists and on an object's page: both call `processing.operators` and say what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from processing.admin import confirming, edit_page, replay_start, show
from processing.admin.confirming import MAY, MUST, Question, ask, at_most, reason_in
from processing.admin.permissions import may
from processing.admin.readonly import ReadOnlyAdmin
from processing.admin.replay_start import AWAY
from processing.domain.away import StoppedError
from processing.domain.texts import counted, plural
from processing.operators import actions, effects, kinds, losses
from processing.operators import consequences as will
from processing.operators.chunks import Result

EXAMPLES = 3  # ids named for each reason
NO_REASON = "A reason is needed: it is kept on record."


@dataclass(frozen=True)
class Action:
    """What an operator can do. `done` begins the sentence that reports it.

    `foresee` has what it will do, for a page that asks before; without it nothing is asked. `why`: whether a reason may
    or must be given.
    """

    name: str
    label: str
    done: str
    run: Callable[..., Result]
    noun: str = "event"
    foresee: Callable[[Collection[str]], list[str]] | None = None
    why: str = ""


@dataclass(frozen=True)
class Page:
    """Something that an operator can do on a page of its own. `url` is its address for the events with these ids."""

    name: str
    label: str
    url: Callable[[Collection[str]], str]
    show: Callable[[HttpRequest, Sequence[str]], HttpResponse] | None = None  # for events of a list
    noun: str = "event"


RETRY_NOW = Action("retry_now", "Retry now", "Retried now", actions.retry_now)
REPLAY = Page("replay", "Replay", replay_start.url_of, replay_start.show_ids)
EDIT = Page("edit", "Edit and replay", edit_page.url_of)
DISCARD = Action("discard", "Discard", "Discarded", actions.discard, foresee=will.of_discard, why=MUST)
UNDO_DISCARD = Action(
    "undo_discard", "Undo discard", "Open again", actions.undo_discard, foresee=will.of_undo_discard, why=MAY
)
ACKNOWLEDGE = Action(
    "acknowledge", "Acknowledge", "Acknowledged", losses.acknowledge, noun="loss", foresee=will.of_acknowledge
)
PAUSE = Action("pause", "Pause", "Paused", kinds.pause_all, noun="kind", foresee=will.of_pause, why=MAY)
RESUME = Action("resume", "Resume", "Resumed", kinds.resume_all, noun="kind", foresee=will.of_resume)
PAUSE_TYPE = Action(
    "pause_type", "Pause its type", "Paused its type", kinds.pause_type_of, foresee=will.of_pause_type, why=MAY
)
PAUSE_FAMILY = Action(
    "pause_family",
    "Pause its family",
    "Paused its family",
    kinds.pause_family_of,
    foresee=will.of_pause_family,
    why=MAY,
)
REPLAY_EFFECT = Action("replay_effect", "Replay", "Replayed", effects.replay, noun="effect")
DISCARD_EFFECT = Action("discard_effect", "Discard", "Discarded", effects.discard, noun="effect")
ids_in = msgspec.json.Decoder(list[str]).decode


class ActingAdmin(ReadOnlyAdmin):
    """`acts` are the actions that its page has at all: whoever may change what it shows may do no others.
    `legal_in_list` and `legal_for` say which of them a list and an object offer; `processing.operators` checks again.
    """

    acts: Collection[Action | Page] = ()
    change_form_template = "admin/processing/acting_change_form.html"

    def legal_in_list(self, request: HttpRequest) -> Collection[Action | Page]:
        raise NotImplementedError

    def legal_for(self, obj: Any) -> Collection[Action | Page]:
        raise NotImplementedError

    def legal_for_kind_of(self, obj: Any) -> Collection[Action]:
        """Those that act on the kind of an event."""
        return ()

    def may_act(self, request: HttpRequest, action: Action | Page) -> bool:
        """Nobody acts on what they may not see."""
        return self.has_view_permission(request) and may(request, action.name)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {
            action.name: (
                partial(_act_on_list, action),
                action.name,
                f"{action.label} the selected {plural(action.noun)}",
            )
            for action in self.legal_in_list(request)
            if self.may_act(request, action)
        }

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.model._meta.app_label}_{self.model._meta.model_name}_act"
        view = self.admin_site.admin_view
        return [
            path("act/<slug:name>/", view(self.act_on_many_view), name=f"{name}_many"),
            path("<path:object_id>/act/<slug:name>/", view(self.act_view), name=name),
            *super().get_urls(),
        ]

    def act_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """A button of an object's page: GET asks, POST does it. The function that acts decides what is legal by now,
        under the row's lock."""
        action, id = self._action(request, name), unquote(object_id)
        if "\0" in id:
            raise Http404("No id has a NUL")
        page = show.change_url(self.model, id)
        if request.method != "POST":
            if action.foresee is None:
                return HttpResponseNotAllowed(["POST"])
            return self._ask(request, action, [id], page, request.path)
        if action.why == MUST and not reason_in(request):
            return self._ask(request, action, [id], page, request.path, NO_REASON)
        act(request, action, [id])
        return HttpResponseRedirect(self._list_url() if self.get_object(request, id) is None else page)

    def act_on_many_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """The answer to the page that a list's action showed."""
        action = self._action(request, name)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            ids = ids_in(request.POST.get("ids", ""))[: confirming.AT_ONCE]
        except msgspec.MsgspecError as error:
            raise SuspiciousOperation("the ids cannot be read") from error
        if any("\0" in id for id in ids):
            raise SuspiciousOperation("an id has a NUL")
        if action.why == MUST and not reason_in(request):
            return self._ask(request, action, ids, self._list_url(), request.path, NO_REASON)
        act(request, action, ids)
        return HttpResponseRedirect(self._list_url())

    def _action(self, request: HttpRequest, name: str) -> Action:
        action = next((each for each in self.acts if each.name == name), None)
        if action is not None and not self.may_act(request, action):
            raise PermissionDenied
        if not isinstance(action, Action):  # one that has a page of its own is not done here
            raise Http404(f"There is no action {name!r}")
        return action

    def _list_url(self) -> str:
        return reverse(f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}_changelist")

    def ask_many(self, request: HttpRequest, action: Action, ids: Sequence[str]) -> HttpResponse:
        name = f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}_act_many"
        return self._ask(request, action, ids, request.get_full_path(), reverse(name, args=[action.name]))

    def _ask(
        self, request: HttpRequest, action: Action, ids: Sequence[str], back: str, url: str, error: str = ""
    ) -> HttpResponse:
        assert action.foresee is not None
        try:
            lines = action.foresee(ids)
        except StoppedError:
            messages.error(request, AWAY)
            return HttpResponseRedirect(back)
        question = Question(
            title=f"{action.label}: {counted(len(ids), action.noun)}",
            lines=lines,
            url=url,
            back=back,
            submit=action.label,
            ids=ids,
            reason=action.why,
            hidden={"ids": msgspec.json.encode(ids).decode()},
            error=error,
        )
        return ask(request, question, self.model._meta)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        legal = self.legal_for(obj) if obj is not None else ()
        of_kind = self.legal_for_kind_of(obj) if obj is not None else ()
        context = {
            "buttons": self._buttons(object_id, [each for each in legal if self.may_act(request, each)]),
            "buttons_of_kind": self._buttons(object_id, [each for each in of_kind if self.may_act(request, each)]),
        }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def _buttons(self, object_id: str, offered: Collection[Action | Page]) -> list[dict[str, Any]]:
        name = f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}_act"
        id = unquote(object_id)
        return [
            {"label": action.label, "url": action.url([id]), "asks": True}
            if isinstance(action, Page)
            else {
                "label": action.label,
                "url": reverse(name, args=[quote(id), action.name]),
                "asks": action.foresee is not None,
            }
            for action in offered
        ]


def _act_on_list(
    action: Action | Page, page: ActingAdmin, request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse | None:
    """Do it, or show the page that asks before."""
    ids = [str(pk) for pk in queryset.values_list("pk", flat=True)[: confirming.AT_ONCE + 1]]
    if isinstance(action, Page):
        assert action.show is not None
        return action.show(request, ids)
    ids = list(at_most(request, ids))
    if action.foresee is not None:
        return page.ask_many(request, action, ids)
    act(request, action, ids)
    return None


def act(request: HttpRequest, action: Action, ids: Collection[str]) -> None:
    """Do the action; tell the operator how many events it changed, and which it left and why."""
    try:
        why = {"reason": reason_in(request)} if action.why else {}
        result = action.run(ids=ids, actor=request.user.get_username(), **why)
    except StoppedError:
        messages.error(request, "Postgres is not fit, see /health/ready: not all was done. Look, and try again.")
        return
    for level, text in sentences(action, result):
        messages.add_message(request, level, text)


def sentences(action: Action, result: Result) -> Iterator[tuple[int, str]]:
    if result.done:
        yield messages.SUCCESS, f"{action.done}: {counted(len(result.done), action.noun)}. {_grouped(result.done)}"
    if result.refused:
        yield (
            messages.WARNING,
            f"Left as they were: {counted(len(result.refused), action.noun)}. {_grouped(result.refused)}",
        )


def _grouped(texts: dict[str, str]) -> str:
    """The texts, each with the number of its events and the first of their ids."""
    groups: dict[str, list[str]] = {}
    for id, text in texts.items():
        groups.setdefault(text, []).append(id)
    most = sorted(groups.items(), key=lambda group: -len(group[1]))
    named = [
        f"{', '.join(ids[:EXAMPLES])}{f' and {len(ids) - EXAMPLES} more' if len(ids) > EXAMPLES else ''}: {text}"
        for text, ids in most[:EXAMPLES]
    ]
    if len(most) > EXAMPLES:
        named.append(f"and {len(most) - EXAMPLES} other outcomes")
    return "; ".join(named)
