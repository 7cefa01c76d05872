"""Who may open the admin: Django's own users and groups, in the admin's look."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

admin.site.unregister([User, Group])


class OffersPermissions:
    """Offers the permissions that do something: those on what has a page."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **rest: Any) -> Any:
        if db_field.related_model is Permission:
            rest["queryset"] = offered_permissions()
        return super().formfield_for_manytomany(db_field, request, **rest)  # type: ignore[misc]


def offered_permissions() -> QuerySet[Permission]:
    types = ContentType.objects.get_for_models(*admin.site._registry)
    return Permission.objects.filter(content_type__in=types.values()).select_related("content_type")


@admin.register(User)
class UserAdmin(OffersPermissions, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(OffersPermissions, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    pass
