"""Actions on lists and on an object's page: both call `processing.operators` and say what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from processing.admin.permissions import may
from processing.admin.readonly import ReadOnlyAdmin
from processing.domain.away import StoppedError
from processing.operators import actions, effects, kinds, losses
from processing.operators.chunks import Result

AT_ONCE = 10_000  # events that one click acts on, at most
EXAMPLES = 3  # ids named for each reason


@dataclass(frozen=True)
class Action:
    """What an operator can do. `done` begins the sentence that reports it."""

    name: str
    label: str
    done: str
    run: Callable[..., Result]
    noun: str = "event"


RETRY_NOW = Action("retry_now", "Retry now", "Retried now", actions.retry_now)
REPLAY = Action("replay", "Replay", "Replayed", actions.replay)
DISCARD = Action("discard", "Discard", "Discarded", actions.discard)
ACKNOWLEDGE = Action("acknowledge", "Acknowledge", "Acknowledged", losses.acknowledge, noun="loss")
PAUSE = Action("pause", "Pause", "Paused", kinds.pause_all, noun="kind")
RESUME = Action("resume", "Resume", "Resumed", kinds.resume_all, noun="kind")
PAUSE_TYPE = Action("pause_type", "Pause its type", "Paused its type", kinds.pause_type_of)
PAUSE_FAMILY = Action("pause_family", "Pause its family", "Paused its family", kinds.pause_family_of)
REPLAY_EFFECT = Action("replay_effect", "Replay", "Replayed", effects.replay, noun="effect")
DISCARD_EFFECT = Action("discard_effect", "Discard", "Discarded", effects.discard, noun="effect")


class ActingAdmin(ReadOnlyAdmin):
    """`acts` are the actions that its page has at all: whoever may change what it shows may do no others.
    `legal_in_list` and `legal_for` say which of them a list and an object offer; `processing.operators` checks again.
    """

    acts: Collection[Action] = ()
    change_form_template = "admin/processing/acting_change_form.html"

    def legal_in_list(self, request: HttpRequest) -> Collection[Action]:
        raise NotImplementedError

    def legal_for(self, obj: Any) -> Collection[Action]:
        raise NotImplementedError

    def legal_for_kind_of(self, obj: Any) -> Collection[Action]:
        """Those that act on the kind of an event."""
        return ()

    def may_act(self, request: HttpRequest, action: Action) -> bool:
        """Nobody acts on what they may not see."""
        return self.has_view_permission(request) and may(request, action.name)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {
            action.name: (
                partial(_act_on_list, action),
                action.name,
                f"{action.label} the selected {_plural(action.noun)}",
            )
            for action in self.legal_in_list(request)
            if self.may_act(request, action)
        }

    def get_urls(self) -> list[URLPattern]:
        opts = self.model._meta
        act = path(
            "<path:object_id>/act/<slug:name>/",
            self.admin_site.admin_view(self.act_view),
            name=f"{opts.app_label}_{opts.model_name}_act",
        )
        return [act, *super().get_urls()]

    def act_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """A button of an object's page. The function that acts decides what is legal by now, under the row's lock."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        action = next((each for each in self.acts if each.name == name), None)
        if action is None:
            raise Http404(f"There is no action {name!r}")
        if not self.may_act(request, action):
            raise PermissionDenied
        act(request, action, [unquote(object_id)])
        opts = self.model._meta
        if self.get_object(request, unquote(object_id)) is None:  # gone with its replay
            return HttpResponseRedirect(reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"))
        return HttpResponseRedirect(
            reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[quote(unquote(object_id))])
        )

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

    def _buttons(self, object_id: str, offered: Collection[Action]) -> list[dict[str, str]]:
        name = f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}_act"
        return [
            {"label": action.label, "url": reverse(name, args=[quote(unquote(object_id)), action.name])}
            for action in offered
        ]


def _act_on_list(action: Action, _: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]) -> None:
    ids = [str(pk) for pk in queryset.values_list("pk", flat=True)[: AT_ONCE + 1]]
    act(request, action, ids[:AT_ONCE])
    if len(ids) > AT_ONCE:
        messages.warning(
            request, f"More than {AT_ONCE} were selected: the first {AT_ONCE} were taken, repeat it for the next."
        )


def act(request: HttpRequest, action: Action, ids: Collection[str]) -> None:
    """Do the action; tell the operator how many events it changed, and which it left and why."""
    try:
        result = action.run(ids=ids, actor=request.user.get_username())
    except StoppedError:
        messages.error(request, "Postgres is not fit, see /health/ready: not all was done. Look, and try again.")
        return
    for level, text in sentences(action, result):
        messages.add_message(request, level, text)


def sentences(action: Action, result: Result) -> Iterator[tuple[int, str]]:
    if result.done:
        yield messages.SUCCESS, f"{action.done}: {_count(len(result.done), action.noun)}. {_grouped(result.done)}"
    if result.refused:
        yield (
            messages.WARNING,
            f"Left as they were: {_count(len(result.refused), action.noun)}. {_grouped(result.refused)}",
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


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {_plural(noun)}"


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"
