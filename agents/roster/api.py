"""REST doors of the staff, and the tokens of agents at work."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents.roster.models import Agent
from agents.roster.services import card_of, drain_agent, find_agent, switch_agent, token_in_force
from core.api.callers import KEEPERS, OWNERS, Bearer, Caller, agent_caller, bearer_of
from core.api.reading import Reason
from core.api.routes import Doors
from core.api.rows import Row, Rows, verb
from core.services.tokens import PREFIX

Told = Mapping[str, Any]


class AttemptAuthentication(Bearer):
    """Capability tokens of attempts that run."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Caller] | None:
        """Return the agent at work; None when no token was sent.

        Raises:
            TokenEnded: no such token, or its attempt is over.
        """
        secret = bearer_of(request)
        if not secret or secret.startswith(PREFIX):
            return None
        token = token_in_force(secret)
        return agent_caller(token.agent.name, attempt_id=token.assignment_id)


class AgentOut(Row[Agent]):
    """One member of staff."""

    version = serializers.CharField(source="version.sha256")
    definition = serializers.JSONField(
        source="version.front", help_text="The front matter of its file, with every default."
    )

    class Meta:
        """What is shown."""

        model = Agent
        fields = (
            "id",
            "name",
            "role",
            "is_enabled",
            "version",
            "definition",
            "scope",
            "flagged_at",
            "flag_reason",
        )


class CardOut(serializers.Serializer[Any]):
    """What an agent says of itself to other agents. Source: R-03.15."""

    name = serializers.CharField()
    description = serializers.CharField()
    url = serializers.CharField()
    version = serializers.CharField()
    protocolVersion = serializers.CharField()  # noqa: N815 (the protocol's own spelling)
    skills = serializers.ListField(child=serializers.DictField())


class AgentDoor(Rows):
    """The staff."""

    serializer_class = AgentOut
    queryset = Agent.objects.select_related("version")
    filterset_fields = ("role", "is_enabled")
    lookup_field = "name"
    lookup_value_converter = "slug"

    @verb(may=KEEPERS, gives=AgentOut)
    def pause(self, caller: Caller, said: Told, name: str) -> Agent:
        """Let it take no work; what it does now is refused its next tool."""
        switch_agent(name, is_enabled=False, by=caller.name)
        return find_agent(name)

    @verb(may=OWNERS, gives=AgentOut)
    def resume(self, caller: Caller, said: Told, name: str) -> Agent:
        """Let it take work again."""
        switch_agent(name, is_enabled=True, by=caller.name)
        return find_agent(name)

    @verb(may=KEEPERS, takes=Reason, gives=AgentOut)
    def drain(self, caller: Caller, said: Told, name: str) -> Agent:
        """Let it end what it does and take nothing new."""
        drain_agent(name, by=caller.name, why=said["reason"])
        return find_agent(name)

    @extend_schema(responses=CardOut)
    @action(detail=True)
    def card(self, request: Request, name: str) -> Response:
        """Give its card as the A2A protocol wants it."""
        return Response(card_of(self.get_object(), url=request.build_absolute_uri("/api/v1/")))


DOORS: Doors = {"agents": AgentDoor}
