"""Wishes, plans and Kev's rounds in the Django admin, to look at."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin, in_usd
from factory.pipeline.models import Advice, Hook, HookCall, Objective, ObjectiveChange, Plan, Quote, Round


@admin.register(Objective)
class ObjectiveAdmin(ReadOnlyAdmin):
    """What the factory was asked to do."""

    list_display = ("text", "source", "state", "product", "created_by", "created_at")
    list_filter = ("source", "state")
    list_select_related = ("product",)
    search_fields = ("text", "key", "created_by")


@admin.register(ObjectiveChange)
class ObjectiveChangeAdmin(ReadOnlyAdmin):
    """How it went on."""

    list_display = ("at", "objective", "old", "new", "actor", "reason")
    list_filter = ("new",)
    list_select_related = ("objective",)
    search_fields = ("objective__text", "actor", "reason")


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """What Kev proposed, and what the rules said."""

    list_display = ("product", "version", "proposed_by", "violations", "created_at")
    list_filter = ("proposed_by",)
    list_select_related = ("product",)
    search_fields = ("product__name",)


@admin.register(Round)
class RoundAdmin(ReadOnlyAdmin):
    """What Kev saw on his rounds."""

    list_display = ("at", "found", "dag")
    list_filter = ("at",)
    list_select_related = ("dag",)
    search_fields = ("dag__title",)


@admin.register(Advice)
class AdviceAdmin(ReadOnlyAdmin):
    """What he would do about work that was given up."""

    list_display = ("letter", "choice", "words", "at")
    list_filter = ("choice",)
    list_select_related = ("letter__task",)
    search_fields = ("words", "letter__task__title")


@admin.register(Quote)
class QuoteAdmin(ReadOnlyAdmin):
    """What a build was expected to cost before it began."""

    list_display = (
        "product", "made_at", in_usd("low_microusd"), in_usd("high_microusd"), in_usd("stop_microusd"), "basis", "mode",
    )  # fmt: skip
    list_filter = ("basis", "mode", "made_at")
    list_select_related = ("product",)
    search_fields = ("id", "product__name")


@admin.register(Hook)
class HookAdmin(ReadOnlyAdmin):
    """Senders outside."""

    list_display = ("name", "pause_s", "created_by", "created_at", "closed_at")
    list_filter = ("closed_at",)
    search_fields = ("name", "created_by")
    exclude = ("secret",)


@admin.register(HookCall)
class HookCallAdmin(ReadOnlyAdmin):
    """What they said."""

    list_display = ("at", "hook", "text", "objective")
    list_filter = ("hook",)
    list_select_related = ("hook", "objective")
    search_fields = ("text",)
