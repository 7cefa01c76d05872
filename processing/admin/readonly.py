"""Read-only pages for tables of many millions of rows: no counts, no scans, no sorting by any column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin import helpers
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.paginator import Paginator
from django.db.models import BinaryField, Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import CHECKBOX_CLASSES

from processing.admin import show
from processing.admin.exporting import CONTENT_TYPES, export
from processing.admin.searching import keys, terms
from processing.postgres.transaction import not_atomic

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
    _Filter = admin.SimpleListFilter
else:
    from unfold.admin import ModelAdmin as _Admin

    _Filter = admin.SimpleListFilter


CHECKBOX = '<input type="checkbox" class="action-select {}" name="{}" value="{}" aria-label="Select this row">'


class KnownCountPaginator(Paginator):  # type: ignore[type-arg]
    """Pages up to the one after this, if there is more: the table is not counted."""

    count = 0
    template_name = "admin/processing/page_numbers.html"  # asked for by unfold's template


class EndlessChangeList(ChangeList):
    """A list that knows only whether there is a next page; newest first, as an index has it. `looked_at`: so many rows
    at most, of which it shows those that match; None: all."""

    has_more = False
    most_pages = 200  # each costs as much as all before it
    looked_at: int | None = None

    def get_results(self, request: HttpRequest) -> None:
        self.page_num = min(max(1, self.page_num), self.most_pages)
        first = (self.page_num - 1) * self.list_per_page
        keys = self.page_of_keys(request, first, self.list_per_page + 1)
        self.has_more = len(keys) > self.list_per_page
        found = {row.pk: row for row in self.queryset.order_by().filter(pk__in=keys[: self.list_per_page])}
        rows = self.result_list = [found[key] for key in keys if key in found]
        reaches = first + max(len(keys), int(first > 0))  # an empty page is one, for those whose rows have gone
        self.result_count = min(reaches, self.most_pages * self.list_per_page)
        self.full_result_count = self.result_count  # the same, so that neither is shown
        self.show_full_result_count = False
        self.show_admin_actions = bool(rows)
        self.can_show_all = False
        self.ends_here = self.has_more and self.page_num == self.most_pages
        self.multi_page = self.has_more or self.page_num > 1
        self.paginator = KnownCountPaginator(rows, self.list_per_page)
        self.paginator.count = self.result_count

    def page_of_keys(self, request: HttpRequest, first: int, most: int) -> list[Any]:
        """By themselves: what is joined with a row, or large in it, is read for the rows of the page alone."""
        return list(self.queryset.values_list("pk", flat=True)[first : first + most])

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        return list(self.model_admin.get_ordering(request))


def once(display: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Of an object that was loaded, what a field shows: unfold asks four times, and some fields read tables."""

    @wraps(display)
    def shown(obj: Any) -> Any:
        answers: dict[str, Any] = obj.__dict__.setdefault("_shown", {})
        if display.__name__ not in answers:
            answers[display.__name__] = display(obj)
        return answers[display.__name__]

    return shown


class ReadOnlyAdmin(_Admin):
    """`search_prefixes` are the fields that a search looks at, by exact value or prefix, each with an index."""

    search_prefixes: tuple[str, ...] = ()
    heavy_fields: tuple[str, ...] = ()  # not loaded for lists
    optional_fields: frozenset[str] = frozenset()  # left out of an object's page when they have nothing to show
    rows_of: Mapping[str, type[Model]] = {}  # fields that show another table, to those who may see that one
    export_columns: tuple[str, ...] = ()  # if not its own, without bytes
    list_per_page = 50  # of which each takes unfold a millisecond and more
    list_fullwidth = True
    show_full_result_count = False
    change_list_template = "admin/processing/change_list.html"
    change_form_template = "admin/processing/read_only.html"
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    actions_on_bottom = False

    class Media:
        css: ClassVar = {"all": ("processing/admin.css",)}

    def __init__(self, model: type[Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        for name in self.readonly_fields:
            if isinstance(name, str) and callable(display := getattr(self, name, None)):
                setattr(self, name, once(display))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display(description=_Admin.action_checkbox.short_description)  # type: ignore[attr-defined]
    def action_checkbox(self, obj: Model) -> SafeString:
        """As unfold's, without a template for each row: that took half of a list's time."""
        return format_html(CHECKBOX, " ".join(CHECKBOX_CLASSES), helpers.ACTION_CHECKBOX_NAME, obj.pk)

    def get_urls(self) -> list[URLPattern]:
        opts = self.model._meta
        view = self.admin_site.admin_view(self.export_view)
        return [
            path("export/<str:kind>", view, name=f"{opts.app_label}_{opts.model_name}_export"),
            *super().get_urls(),
        ]

    @property
    def urls(self) -> list[URLPattern]:
        """Those of subclasses too."""
        urls = self.get_urls()
        for url in urls:
            url.callback = not_atomic(url.callback)
        return urls

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST" and request.POST.get("action", "") not in {"", *self.get_actions(request)}:
            raise PermissionDenied  # Django would show the list, as if nothing had been asked for
        opts = self.model._meta
        name = f"admin:{opts.app_label}_{opts.model_name}_export"
        query = request.GET.copy()
        query.pop("p", None)
        exports = [(kind.upper(), f"{reverse(name, args=[kind])}?{query.urlencode()}") for kind in CONTENT_TYPES]
        return super().changelist_view(request, {**(extra_context or {}), "exports": exports})

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """The rows of the list of the same query."""
        if kind not in CONTENT_TYPES:
            raise Http404(f"There is no export as {kind!r}")
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            found = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters as error:
            raise SuspiciousOperation("the filter cannot be read") from error
        columns = self.export_columns or tuple(
            field.attname for field in self.model._meta.concrete_fields if not isinstance(field, BinaryField)
        )
        return export(found, columns, self.model._meta.model_name or "rows", kind)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = super().get_fields(request, obj)
        if obj is None:
            return fields
        return [name for name in fields if self._may_see(request, name) and self._is_shown(name, obj)]

    def _may_see(self, request: HttpRequest, name: Any) -> bool:
        model = self.rows_of.get(name)
        return model is None or self.admin_site.get_model_admin(model).has_view_permission(request)

    def _is_shown(self, name: Any, obj: Model) -> bool:
        if name not in self.optional_fields:
            return True
        value = getattr(self, name)(obj) if hasattr(self, name) else getattr(obj, name)
        return value not in (None, "", show.NOTHING)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return EndlessChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and (match.url_name or "").endswith("_changelist")
        return queryset.defer(*self.heavy_fields) if is_list and self.heavy_fields else queryset

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return self.search_prefixes

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """The whole term is one value, with its spaces: an id can have any character."""
        if not search_term:
            return queryset, False
        found = {key for term in terms(search_term) for key in self.find(queryset, term)}
        return queryset.filter(pk__in=found), False

    def find(self, queryset: QuerySet[Any], term: str) -> set[Any]:
        """The keys of rows that match."""
        return keys(*(queryset.filter(**{f"{name}__startswith": term}).order_by(name) for name in self.search_prefixes))


class TextFilter(_Filter):
    """A filter by a text that the operator types: a list of all values would read the whole table."""

    template = "admin/processing/text_filter.html"
    field = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("", "")]  # without one the filter would not show

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        return queryset.none() if "\0" in value else queryset.filter(**{self.field: value})

    def choices(self, changelist: ChangeList) -> Any:
        others = {k: v for k, v in changelist.params.items() if k not in (self.parameter_name, "p")}
        yield {"others": others, "name": self.parameter_name, "value": self.value() or ""}


class TimeFilter(_Filter):
    """By age."""

    title = "time"
    parameter_name = "time"
    field = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("5m", "last 5 minutes"),
            ("1h", "last hour"),
            ("today", "today (UTC)"),
            ("7d", "last 7 days"),
            ("30d", "last 30 days"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        since = start_of(self.value(), timezone.now())
        return queryset if since is None else queryset.filter(**{f"{self.field}__gte": since})


def start_of(period: str | None, now: datetime) -> datetime | None:
    """When a period of `TimeFilter` began; None if there is no such period."""
    if period == "today":
        return now.replace(hour=0, minute=0, second=0, microsecond=0)
    ages = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
    return now - ages[period] if period in ages else None


def time_filter(of_field: str) -> type[TimeFilter]:
    class Filter(TimeFilter):
        field = of_field

    return Filter


def text_filter(of_field: str, called: str, parameter: str) -> type[TextFilter]:
    class Filter(TextFilter):
        field = of_field
        title = called
        parameter_name = parameter

    return Filter
