"""The portfolio in the Django admin: to look at."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin, on_each
from core.models import User
from portfolio.models import (
    Evidence,
    Meaning,
    Opportunity,
    Product,
    Scan,
    Signal,
    StageChange,
    ValidationTest,
)
from portfolio.services import freeze_product, thaw_product


@on_each("Freeze these products")
def freeze(product: Product, by: User) -> None:
    """Stop the product's money and new work."""
    freeze_product(product, reason=f"by {by.as_actor}", by=by.as_actor)


@on_each("Let these products go on", needs="own")
def thaw(product: Product, by: User) -> None:
    """Let the product go on from where it was."""
    thaw_product(product, reason=f"by {by.as_actor}", by=by.as_actor)


@admin.register(Scan)
class ScanAdmin(ReadOnlyAdmin):
    """Files that were read."""

    list_display = ("number", "file_name", "as_of", "signals_read", "signals_new", "mode", "at")
    list_filter = ("mode", "at")
    search_fields = ("file_name", "file_sha256", "correlation_id")


@admin.register(Meaning)
class MeaningAdmin(ReadOnlyAdmin):
    """Texts whose meaning was computed already."""

    list_display = ("key",)
    search_fields = ("key",)
    exclude = ("vector",)


@admin.register(Signal)
class SignalAdmin(ReadOnlyAdmin):
    """Voices from the market."""

    list_display = ("ref", "title", "source", "day", "price_usd", "mentions")
    list_filter = ("source", "recorded_at")
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
    list_filter = ("outcome", "is_recorded", "at")
    list_select_related = ("opportunity",)
    search_fields = ("opportunity__name", "opportunity__title", "reason")


@admin.register(Product)
class ProductAdmin(ReadOnlyAdmin):
    """Products."""

    list_display = ("name", "slug", "stage", "state", "owner", "url", "mode", "opened_at")
    list_filter = ("stage", "state", "mode")
    list_select_related = ("owner",)
    search_fields = ("id", "name", "slug", "correlation_id")
    actions = (freeze, thaw)


@admin.register(StageChange)
class StageChangeAdmin(ReadOnlyAdmin):
    """How far each product came."""

    list_display = ("at", "product", "old", "new", "reason")
    list_filter = ("new", "at")
    list_select_related = ("product",)
    search_fields = ("product__name", "reason")
