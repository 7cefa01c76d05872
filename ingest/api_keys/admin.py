"""API keys in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from ingest.api_keys.models import ApiKey
from processing.admin import show
from processing.admin.readonly import ReadOnlyAdmin

if TYPE_CHECKING:
    ApiKeys = QuerySet[ApiKey]


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys are made by `manage.py create_api_key`, which alone can show them; here they are revoked."""

    list_display = ("name", "prefix", "created", "revoked")
    ordering = ("name", "id")
    search_prefixes = ("name", "prefix")
    fields = readonly_fields = ("name", "prefix", "created", "revoked")
    export_columns = ("name", "prefix", "created_at", "revoked_at")
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("ingest.change_apikey"))

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: ApiKeys) -> None:
        revoked = 0
        for key in queryset.filter(revoked_at=None):
            if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()):
                self.log_change(request, key, "revoked")
                revoked += 1
        messages.success(request, f"Revoked: {revoked}. A revoked key is refused everywhere within seconds.")

    @admin.display(description="made")
    def created(self, obj: ApiKey) -> str:
        return show.utc(obj.created_at)

    @admin.display(description="revoked")
    def revoked(self, obj: ApiKey) -> str:
        return show.utc(obj.revoked_at)
