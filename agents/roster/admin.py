"""The staff in the Django admin."""

from django.contrib import admin

from agents.roster.models import Agent, AgentVersion, CapabilityToken
from core.admin import ReadOnlyAdmin


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    """Who works here."""

    list_display = ("name", "role", "is_enabled", "version", "flagged_at")
    list_filter = ("is_enabled",)
    list_select_related = ("version",)


@admin.register(AgentVersion)
class AgentVersionAdmin(ReadOnlyAdmin):
    """By which definitions."""

    list_display = ("name", "sha256", "created_at")
    list_filter = ("name",)


@admin.register(CapabilityToken)
class CapabilityTokenAdmin(ReadOnlyAdmin):
    """What each attempt may do."""

    list_display = ("agent", "assignment_id", "tools", "expires_at", "revoked_at")
    list_filter = ("agent",)
