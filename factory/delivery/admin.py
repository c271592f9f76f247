"""Releases in the Django admin."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from factory.delivery.models import Place, Release


@admin.register(Release)
class ReleaseAdmin(ReadOnlyAdmin):
    """What is on its way to users, and what met them."""

    list_display = ("product", "version", "state", "why", "live_at")
    list_filter = ("state", "product")
    search_fields = ("digest", "product__name")


@admin.register(Place)
class PlaceAdmin(ReadOnlyAdmin):
    """Where products are served."""

    list_display = ("product", "port", "preview_port")
