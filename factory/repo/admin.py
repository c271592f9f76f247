"""Merges in the Django admin."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from factory.repo.models import Merge


@admin.register(Merge)
class MergeAdmin(ReadOnlyAdmin):
    """What reached main, by whom."""

    list_display = ("commit", "attempt", "at")
    search_fields = ("commit",)
