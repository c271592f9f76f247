"""Merges in the Django admin."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from factory.repo.models import Merge


@admin.register(Merge)
class MergeAdmin(ReadOnlyAdmin):
    """What reached main, by whom."""

    list_display = ("commit", "attempt", "at")
    list_filter = ("at",)
    list_select_related = ("attempt__task",)
    search_fields = ("commit", "attempt__task__title")
