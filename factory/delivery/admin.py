"""Releases in the Django admin."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from factory.delivery.models import EdgeOrder, Place, Release


@admin.register(Release)
class ReleaseAdmin(ReadOnlyAdmin):
    """What is on its way to users, and what met them."""

    list_display = ("product", "version", "state", "why", "red_probes", "live_at", "trusted_at", "ended_at")
    list_filter = ("state", "live_at", "product")
    list_select_related = ("product",)
    search_fields = ("digest", "product__name", "why")


@admin.register(Place)
class PlaceAdmin(ReadOnlyAdmin):
    """Where products are served."""

    list_display = ("product", "port", "preview_port")
    list_select_related = ("product",)
    search_fields = ("product__name", "port")


@admin.register(EdgeOrder)
class EdgeOrderAdmin(ReadOnlyAdmin):
    """Which table the edge has to follow."""

    list_display = ("generation",)
