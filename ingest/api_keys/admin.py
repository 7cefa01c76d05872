"""API keys in the admin: made, limited and revoked here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from ingest.api_keys.create import issue
from ingest.api_keys.models import ApiKey
from ingest.parsing.candidate import NO_FAMILY
from processing.admin import show
from processing.admin.readonly import ReadOnlyAdmin
from processing.domain.families import families

if TYPE_CHECKING:
    ApiKeys = QuerySet[ApiKey]
    _Form = forms.ModelForm[ApiKey]
else:
    _Form = forms.ModelForm

CHOSEN = ("name", "may_write", "may_read", "kinds", "rate_limit", "expires_at")
SHOWN = ("prefix", "created", "last_used", "revoked")


class ApiKeyForm(_Form):
    kinds = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, help_text="what it is for; none chosen: everything"
    )

    class Meta:
        model = ApiKey
        fields = CHOSEN

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kinds" in self.fields:  # of a revoked key nothing is a field
            known = [NO_FAMILY, *(family.name for family in families())]
            names = dict.fromkeys([*known, *self.instance.kinds])  # one that is declared no longer is not lost unseen
            self.fields["kinds"].choices = [(name, _told(name)) for name in names]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not cleaned.get("may_write") and not cleaned.get("may_read"):
            raise forms.ValidationError("A key that may neither send nor read is of no use: revoke it instead.")
        expires_at = cleaned.get("expires_at")
        if "expires_at" in self.changed_data and expires_at is not None and expires_at <= timezone.now():
            self.add_error("expires_at", "This is past: choose a later time, or revoke the key.")
        return cleaned


def _told(kind: str) -> str:
    return "events of no family" if kind == NO_FAMILY else kind


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    form = ApiKeyForm
    change_form_template = "admin/change_form.html"
    list_display = ("short_name", "prefix", "rights", "limit", "created", "expires", "last_used", "revoked")
    ordering = ("name", "id")
    search_prefixes = ("name", "prefix")
    search_help_text = "The beginning of a name or a prefix."
    export_columns = (
        "name",
        "prefix",
        "may_write",
        "may_read",
        "kinds",
        "rate_limit",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("ingest.add_apikey"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("ingest.change_apikey")) and (obj is None or obj.revoked_at is None)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("ingest.change_apikey"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return CHOSEN if obj is None else (*CHOSEN, *SHOWN)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else SHOWN

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=CHOSEN)  # it may be revoked meanwhile, and stays so
        else:
            obj.secret = issue(obj)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """The answer itself shows the secret: a message would keep it in a cookie or a session."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"The API key of {obj.name}",
            "opts": self.opts,
            "key": obj,
        }
        return TemplateResponse(request, "admin/ingest/new_key.html", context)

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: ApiKeys) -> None:
        revoked = 0
        for key in queryset.filter(revoked_at=None):
            if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()):
                self.log_change(request, key, "revoked")
                revoked += 1
        messages.success(request, f"Revoked: {revoked}. A revoked key is refused everywhere within seconds.")

    @admin.display(description="name")
    def short_name(self, obj: ApiKey) -> SafeString | str:
        return show.cut(obj.name)

    @admin.display(description="may")
    def rights(self, obj: ApiKey) -> SafeString | str:
        may = [word for word, has in (("send", obj.may_write), ("read", obj.may_read)) if has]
        return show.cut(f"{' and '.join(may)} {', '.join(map(_told, sorted(obj.kinds))) or 'everything'}", "wide")

    @admin.display(description="limit")
    def limit(self, obj: ApiKey) -> str:
        return f"{obj.rate_limit}/s" if obj.rate_limit else show.NOTHING

    @admin.display(description="made")
    def created(self, obj: ApiKey) -> SafeString | str:
        return show.when(obj.created_at)

    @admin.display(description="expires")
    def expires(self, obj: ApiKey) -> SafeString | str:
        return show.when(obj.expires_at)

    @admin.display(description="last used")
    def last_used(self, obj: ApiKey) -> SafeString | str:
        return show.when(obj.last_used_at)

    @admin.display(description="revoked")
    def revoked(self, obj: ApiKey) -> SafeString | str:
        return show.when(obj.revoked_at)
