"""Verdicts in the Django admin."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from factory.quality.models import Finding, GateResult, Verdict


@admin.register(Verdict)
class VerdictAdmin(ReadOnlyAdmin):
    """What was judged, by whom, and how."""

    list_display = ("product", "passed", "reviewer", "author", "shared_provider", "at")
    list_filter = ("passed", "at", "reviewer")
    list_select_related = ("product", "reviewer", "author")
    search_fields = ("digest", "product__name")


@admin.register(GateResult)
class GateResultAdmin(ReadOnlyAdmin):
    """What each gate measured."""

    list_display = ("verdict", "gate", "passed", "summary")
    list_filter = ("gate", "passed")
    list_select_related = ("verdict__product",)
    search_fields = ("summary", "verdict__product__name")


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    """What was wrong, and where."""

    list_display = ("verdict", "gate", "severity", "file", "line", "text", "is_fixed")
    list_filter = ("gate", "severity", "is_fixed")
    list_select_related = ("verdict__product",)
    search_fields = ("text", "file", "path")
