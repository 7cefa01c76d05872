"""The page between a button and what it does: what will happen, to what, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

AT_ONCE = 10_000  # things that one click acts on, at most
NAMED = 10  # of them
REASON_CHARS = 500
MAY, MUST = "may", "must"  # a reason be given


@dataclass(frozen=True)
class Question:
    """What is asked. `url` takes the answer by POST, with `hidden`; `reason`: whether it takes one. Without `submit`
    there is nothing to do. `facts` are shown above, `sample` below."""

    title: str
    lines: Sequence[str]
    url: str
    back: str
    submit: str = ""
    ids: Collection[str] = ()
    reason: str = ""
    hidden: Mapping[str, str] = field(default_factory=dict)
    facts: Sequence[tuple[str, SafeString | str]] = ()
    sample: SafeString | str = ""
    error: str = ""


def ask(request: HttpRequest, question: Question, opts: Any) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": question.title,
        "opts": opts,
        "question": question,
        "named": list(question.ids)[:NAMED],
        "more": max(len(question.ids) - NAMED, 0),
        "reason_chars": REASON_CHARS,
    }
    return TemplateResponse(request, "admin/processing/confirm.html", context)


def at_most(request: HttpRequest, ids: Sequence[str]) -> Sequence[str]:
    """The first of these, as many as one click acts on; who selected more is told."""
    if len(ids) > AT_ONCE:
        messages.warning(
            request, f"More than {AT_ONCE} were selected: the first {AT_ONCE} were taken, repeat it for the next."
        )
    return ids[:AT_ONCE]


def reason_in(request: HttpRequest) -> str:
    return request.POST.get("why", "").strip()[:REASON_CHARS]
