"""Finished steps: kept once under the piece of work, found again by every later attempt."""

from dataclasses import asdict
from uuid import UUID

from agents.gateway.ports import Ask, Reply, ToolCall, Usage
from agents.runtime.models import StepResult
from core.ids import digest_of
from core.registry import Json


def recall_step(reuse_key: UUID, *, step_key: str) -> Json | None:
    """Return what this step gave, None when nobody finished it."""
    return (
        StepResult.objects.filter(reuse_key=reuse_key, step_key=step_key)
        .values_list("value", flat=True)
        .first()
    )


def keep_step(reuse_key: UUID, *, step_key: str, value: Json, cost_microusd: int = 0) -> None:
    """Keep what this step gave; the first result stands."""
    StepResult.objects.get_or_create(
        reuse_key=reuse_key, step_key=step_key, defaults={"value": value, "cost_microusd": cost_microusd}
    )


def step_key_of(ask: Ask) -> str:
    """Return the name of a paid step: equal requests, equal names, whichever attempt asks."""
    tools = [[tool.name, tool.description, tool.schema] for tool in ask.tools]
    said = [asdict(message) for message in ask.messages]
    return digest_of([ask.system, said, tools, ask.answer_schema, ask.max_tokens, ask.intent.tier_steps])


def reply_as_json(reply: Reply) -> Json:
    """Return a reply as it is kept."""
    return {
        **asdict(reply),
        "tool_calls": [asdict(call) for call in reply.tool_calls],
        "call_id": str(reply.call_id),
    }


def reply_from_json(kept: Json) -> Reply:
    """Return the reply that was kept."""
    usage = Usage(**kept["usage"]) if kept["usage"] else None
    calls = tuple(ToolCall(**call) for call in kept["tool_calls"])
    return Reply(**{**kept, "tool_calls": calls, "usage": usage, "call_id": UUID(kept["call_id"])})
