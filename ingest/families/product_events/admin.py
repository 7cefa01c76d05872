"""Product events in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ingest.families.product_events.models import ProductEvent
from processing.admin import show
from processing.admin.readonly import ReadOnlyAdmin, text_filter, time_filter
from processing.models import InboxEvent


class UnknownFieldsFilter(admin.SimpleListFilter):
    """Only the rows that have some: an index has them, the rest is the table."""

    title = "unknown fields"
    parameter_name = "unknown"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "has some")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ProductEvent]) -> QuerySet[ProductEvent]:
        return queryset.filter(unknown_fields__isnull=False) if self.value() == "yes" else queryset


@admin.register(ProductEvent)
class ProductEventAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "event_type", "user_id", "product_name", "price", "currency", "quantity", "happened")
    list_filter = (
        time_filter("timestamp"),
        text_filter("event_type", called="type", parameter="type"),
        UnknownFieldsFilter,
    )
    ordering = ("-timestamp", "-id")
    search_prefixes = ("event_id", "user_id")
    search_help_text = "The beginning of an event's id or of a user's."
    heavy_fields = ("metadata", "unknown_fields", "shipping_address")
    fields = readonly_fields = (
        "event",
        "event_type",
        "user_id",
        "product_id",
        "product_name",
        "category",
        "price",
        "currency",
        "quantity",
        "discount_code",
        "discount_amount",
        "tax_amount",
        "pretty_shipping_address",
        "pretty_metadata",
        "pretty_unknown_fields",
        "happened",
        "processed",
        "updated",
    )

    @admin.display(description="event")
    def event(self, obj: ProductEvent) -> SafeString:
        return show.link(InboxEvent, obj.event_id)

    @admin.display(description="shipping address")
    def pretty_shipping_address(self, obj: ProductEvent) -> SafeString | str:
        return json_or_nothing(obj.shipping_address)

    @admin.display(description="metadata")
    def pretty_metadata(self, obj: ProductEvent) -> SafeString | str:
        return show.json_value(obj.metadata)

    @admin.display(description="unknown fields")
    def pretty_unknown_fields(self, obj: ProductEvent) -> SafeString | str:
        return json_or_nothing(obj.unknown_fields)

    @admin.display(description="happened")
    def happened(self, obj: ProductEvent) -> str:
        return show.utc(obj.timestamp)

    @admin.display(description="processed")
    def processed(self, obj: ProductEvent) -> str:
        return show.utc(obj.created_at)

    @admin.display(description="changed")
    def updated(self, obj: ProductEvent) -> str:
        return show.utc(obj.updated_at) if obj.updated_at != obj.created_at else show.NOTHING


def json_or_nothing(value: object) -> SafeString | str:
    return show.NOTHING if value is None else show.json_value(value)
