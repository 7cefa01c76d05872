"""Searches that cost the same at any size: each way to match gives at most its newest or first matches, by an index."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Collate

from processing.models import DeadLetter, FailureGroup, InboxEvent, OperatorAction
from processing.models.columns import BYTE_ORDER
from processing.postgres.newest_events import Wanted, newest_events
from processing.postgres.searches import failed_with, letters_with_error

MOST = 500  # matches of each way: few enough that Postgres looks each of them up
GROUPS = 10  # of failures, the last seen
LAST = chr(sys.maxunicode)


def terms(search_term: str) -> list[str]:
    """As it was typed, since an id may begin with a blank, and trimmed."""
    found = [search_term, search_term.strip()]
    return [] if "\0" in search_term else [each for each in dict.fromkeys(found) if each]


def find_events(queryset: QuerySet[InboxEvent], term: str) -> set[str]:
    """By the beginning of an id (also one that an unreadable message carries) or a user, a type, an error's class."""
    begun = keys(
        queryset.filter(pk__startswith=term).order_by("pk"),
        queryset.filter(user_id__startswith=term).order_by("user_id"),
    )
    whole = [*newest_events(Wanted(user_id=term), MOST), *newest_events(Wanted(type=term), MOST)]
    return begun | {event.id for event in whole} | set(_carriers(term)) | _failed_with(term)


def find_letters(queryset: QuerySet[DeadLetter], term: str) -> set[str]:
    """By the beginning of an id, also one that is carried, or of a user, a type, any part of an error."""
    letters = queryset.order_by("-queued_at", "-pk")
    still_open = letters.filter(discarded_at=None)
    causes = FailureGroup.objects.filter(Q(error_class__icontains=term) | Q(place__icontains=term))
    groups = list(causes.order_by("-last_seen").values_list("pk", flat=True)[:GROUPS])
    found = keys(
        queryset.filter(pk__gte=term, pk__lt=term + LAST).order_by("pk"),  # a prefix of a foreign key, without a join
        queryset.filter(pk__in=_carriers(term)).order_by(),
        letters.filter(user_id=term),
        queryset.filter(user_id__startswith=term).order_by("user_id"),
        still_open.filter(type=term),
    )
    return found | _letters_of(groups, still_open) | set(letters_with_error(term, MOST))


def find_actions(queryset: QuerySet[OperatorAction], term: str) -> set[Any]:
    """By the beginning of an event's id, along the index that has them in the order of their bytes."""
    found = queryset.alias(key=Collate("event_id", BYTE_ORDER)).filter(key__gte=term, key__lt=term + LAST)
    return keys(found.order_by("key"))


def _carriers(term: str) -> Iterator[str]:
    letters = DeadLetter.objects.exclude(carried_id="").filter(carried_id__startswith=term)
    yield from letters.order_by("carried_id").values_list("pk", flat=True)[:MOST]


def _failed_with(error_class: str) -> set[str]:
    groups = FailureGroup.objects.filter(error_class=error_class).order_by("-last_seen").values_list("pk", flat=True)
    newest_open = DeadLetter.objects.filter(discarded_at=None).order_by("-queued_at", "-pk")
    return _letters_of(list(groups[:GROUPS]), newest_open) | set(failed_with(error_class, MOST))


def _letters_of(groups: Sequence[int], letters: QuerySet[DeadLetter]) -> set[str]:
    """The first of these letters of each group."""
    return {
        key
        for group in groups
        for key in letters.filter(group=group).values_list("pk", flat=True)[: MOST // len(groups)]
    }


def keys(*ways: QuerySet[Any]) -> set[Any]:
    return {key for way in ways for key in way.values_list("pk", flat=True)[:MOST]}
