"""People and facts in the Django admin."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import models
from django.http import HttpRequest

from core.models import AuditRow, Event, User

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = admin.ModelAdmin

admin.site.register(User, UserAdmin)


class ReadOnlyAdmin(AnyModelAdmin):
    """Rows that people look at and never change by hand: services are the only way in."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody changes one by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody deletes one by hand."""
        return False


@admin.register(AuditRow)
class AuditRowAdmin(ReadOnlyAdmin):
    """What was done, by whom."""

    list_display = ("at", "actor", "verb", "subject", "outcome")
    list_filter = ("outcome", "verb")
    search_fields = ("actor", "subject", "correlation_id")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Facts and whether they were delivered."""

    list_display = ("sequence", "kind", "created_at", "delivered_at", "tries")
    list_filter = ("kind",)
    search_fields = ("kind", "correlation_id")
