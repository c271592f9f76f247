"""REST doors of sessions: what agents did, turn by turn."""

from rest_framework import serializers

from agents.runtime.models import Session, ToolCall, Turn
from core.api.routes import Doors
from core.api.rows import Row, Rows


class SessionOut(Row[Session]):
    """One attempt of one agent."""

    agent = serializers.CharField(source="agent.name")
    agent_version = serializers.CharField(source="agent_version.sha256")

    class Meta:
        """What is shown."""

        model = Session
        fields = (
            "id", "assignment_id", "reuse_key", "agent", "agent_version", "prompt", "title", "continues", "told_error",
            "tier_steps", "base_commit", "state", "error", "error_class", "correlation_id", "started_at", "ended_at",
        )  # fmt: skip


class SessionDoor(Rows):
    """What agents do and did."""

    serializer_class = SessionOut
    queryset = Session.objects.select_related("agent", "agent_version")
    filterset_fields = ("assignment_id", "reuse_key", "agent__name", "state", "correlation_id")


class ToolCallOut(Row[ToolCall]):
    """One use of a tool and what the agent was told."""

    class Meta:
        """What is shown."""

        model = ToolCall
        fields = ("id", "tool", "arguments", "result", "outcome", "is_error", "is_replayed", "duration_ms")


class TurnOut(Row[Turn]):
    """One answer of a model and the tools it used."""

    tool_calls = ToolCallOut(many=True)

    class Meta:
        """What is shown."""

        model = Turn
        fields = (
            "id", "session", "number", "call_id", "provider", "model", "tier", "prompt_tokens", "completion_tokens",
            "cached_tokens", "cost_microusd", "is_replayed", "stop", "text", "at", "tool_calls",
        )  # fmt: skip


class TurnDoor(Rows):
    """Turns of sessions, the newest first."""

    serializer_class = TurnOut
    queryset = Turn.objects.prefetch_related("tool_calls").order_by()
    filterset_fields = ("session",)


DOORS: Doors = {"sessions": SessionDoor, "turns": TurnDoor}
