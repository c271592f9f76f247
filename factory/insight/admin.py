"""Insight in the Django admin: what waits to be told."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from factory.insight.models import Export, ExportItem


@admin.register(ExportItem)
class ExportItemAdmin(ReadOnlyAdmin):
    """What waits to be told to a trace store."""

    list_display = ("pk", "kind", "ref", "at")
    list_filter = ("kind",)


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """How telling went so far."""

    list_display = ("sent", "dropped", "failures", "words", "sent_at", "next_try_at")
