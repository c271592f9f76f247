"""The portfolio in the Django admin: to look at."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from portfolio.models import Evidence, Opportunity, Product, Scan, Signal, StageChange, ValidationTest


@admin.register(Scan)
class ScanAdmin(ReadOnlyAdmin):
    """Files that were read."""

    list_display = ("number", "file_name", "as_of", "signals_read", "signals_new", "mode", "at")
    list_filter = ("mode",)


@admin.register(Signal)
class SignalAdmin(ReadOnlyAdmin):
    """Voices from the market."""

    list_display = ("ref", "title", "source", "day", "price_usd", "mentions")
    list_filter = ("source",)
    search_fields = ("ref", "title", "url")


@admin.register(Opportunity)
class OpportunityAdmin(ReadOnlyAdmin):
    """What the market might pay for."""

    list_display = ("name", "title", "state", "points", "low", "high", "category", "origin", "reason")
    list_filter = ("state", "origin", "category", "mode")
    search_fields = ("name", "title", "correlation_id")


@admin.register(Evidence)
class EvidenceAdmin(ReadOnlyAdmin):
    """Why a signal is in."""

    list_display = ("signal", "opportunity", "similarity", "counts", "nearest")
    list_filter = ("counts",)
    list_select_related = ("signal", "opportunity")
    search_fields = ("signal__ref", "opportunity__name")


@admin.register(ValidationTest)
class ValidationTestAdmin(ReadOnlyAdmin):
    """Tests and what was counted."""

    list_display = ("opportunity", "outcome", "is_recorded", "reason", "at")
    list_filter = ("outcome", "is_recorded")
    list_select_related = ("opportunity",)


@admin.register(Product)
class ProductAdmin(ReadOnlyAdmin):
    """Products."""

    list_display = ("name", "slug", "stage", "state", "owner", "url", "mode", "opened_at")
    list_filter = ("stage", "state", "mode")
    list_select_related = ("owner",)
    search_fields = ("name", "slug", "correlation_id")


@admin.register(StageChange)
class StageChangeAdmin(ReadOnlyAdmin):
    """How far each product came."""

    list_display = ("at", "product", "old", "new", "reason")
    list_filter = ("new",)
    list_select_related = ("product",)
