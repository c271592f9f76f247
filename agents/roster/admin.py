"""The staff in the Django admin."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from agents.roster.models import Agent, AgentVersion, CapabilityToken
from agents.roster.services import revoke_tokens, switch_agent
from core.admin import ReadOnlyAdmin, on_each
from core.models import User


@on_each("Let these agents take work")
def switch_on(agent: Agent, by: User) -> None:
    """Let one agent take work again."""
    switch_agent(agent.name, is_enabled=True, by=by.as_actor)


@on_each("Let these agents take no more work")
def switch_off(agent: Agent, by: User) -> None:
    """Let one agent take no more work."""
    switch_agent(agent.name, is_enabled=False, by=by.as_actor)


@on_each("Revoke these tokens")
def revoke(token: CapabilityToken, by: User) -> None:
    """Close what one attempt may do."""
    revoke_tokens(token.assignment_id, by=by.as_actor)


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    """Who works here."""

    list_display = ("name", "role", "is_enabled", "version", "flagged_at", "flag_reason")
    list_filter = ("is_enabled", ("flagged_at", admin.EmptyFieldListFilter))
    list_select_related = ("version",)
    search_fields = ("name", "role")
    actions = (switch_on, switch_off)


@admin.register(AgentVersion)
class AgentVersionAdmin(ReadOnlyAdmin):
    """By which definitions."""

    list_display = ("name", "sha256", "created_at")
    list_filter = ("name",)
    search_fields = ("name", "sha256")


class IsLive(admin.SimpleListFilter):
    """Whether a token still opens something."""

    title = "opens something"
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """Offer one choice: what is open now."""
        return [("yes", "now")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[CapabilityToken]
    ) -> QuerySet[CapabilityToken]:
        """Keep what is open now."""
        live = CapabilityToken.objects.live(timezone.now())
        return queryset.filter(pk__in=live) if self.value() else queryset


@admin.register(CapabilityToken)
class CapabilityTokenAdmin(ReadOnlyAdmin):
    """What each attempt may do; the secret itself is nowhere."""

    list_display = ("agent", "assignment_id", "tools", "engine", "expires_at", "revoked_at")
    list_filter = (IsLive, "agent")
    list_select_related = ("agent",)
    search_fields = ("assignment_id", "agent__name")
    exclude = ("token_sha256",)
    actions = (revoke,)
