"""REST doors of sessions: what agents did, turn by turn."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from rest_framework import serializers

from agents.runtime.models import Note, Session, ToolCall, Turn
from agents.runtime.services import tell_agent
from agents.runtime.services.notes import MOST_LETTERS
from core.api.callers import KEEPERS, Caller
from core.api.reading import Said
from core.api.routes import Doors
from core.api.rows import Row, Rows, Words, verb


class SessionOut(Words[Session]):
    """One attempt of one agent."""

    words = ("told_error", "error")

    agent = serializers.CharField(source="agent.name")
    agent_version = serializers.CharField(source="agent_version.sha256")

    class Meta:
        """What is shown."""

        model = Session
        fields = (
            "id", "assignment_id", "reuse_key", "agent", "agent_version", "prompt", "title", "continues", "told_error",
            "tier_steps", "base_commit", "state", "error", "error_class", "correlation_id", "started_at", "ended_at",
        )  # fmt: skip


class NoteIn(Said):
    """What to tell it."""

    text = serializers.CharField(max_length=MOST_LETTERS)


class NoteOut(Row[Note]):
    """What a person told an agent; it reads it before its next turn, as data."""

    class Meta:
        """What is shown."""

        model = Note
        fields = ("id", "assignment_id", "text", "by", "at", "read_at")


class SessionDoor(Rows):
    """What agents do and did."""

    serializer_class = SessionOut
    queryset = Session.objects.select_related("agent", "agent_version")
    filterset_fields = ("assignment_id", "reuse_key", "agent__name", "state", "correlation_id")

    @verb(may=KEEPERS, takes=NoteIn, gives=NoteOut, status=201)
    def tell(self, caller: Caller, said: Mapping[str, Any], pk: UUID) -> Note:
        """Tell the agent something while it works; it widens neither its rights nor its limit."""
        return tell_agent(self.get_object().assignment_id, text=said["text"], by=caller.name)


class ToolCallOut(Words[ToolCall]):
    """One use of a tool and what the agent was told."""

    words = ("arguments", "result")

    class Meta:
        """What is shown."""

        model = ToolCall
        fields = ("id", "tool", "arguments", "result", "outcome", "is_error", "is_replayed", "duration_ms")


class TurnOut(Words[Turn]):
    """One answer of a model and the tools it used."""

    words = ("text",)

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
