"""A model that says what it was told to say: for proofs that must not depend on any model. Source: R-01.10."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agents.gateway.errors import Stopped
from agents.gateway.ports import Ask, Keep, Reply, StopReason, ToolCall, Usage
from core.ids import new_id
from core.registry import Json, Stop

Script = Sequence[Reply | Callable[[Ask], Reply]]


def says(
    text: str = "", *calls: tuple[str, Json | None], stop: StopReason | None = None, prompt: int = 1_000
) -> Reply:
    """Return an answer with these tool calls (name and arguments; None: unreadable), read from `prompt` tokens."""
    wishes = tuple(ToolCall(f"call_{n}", name, given, raw="{broken") for n, (name, given) in enumerate(calls))
    return Reply(
        text=text,
        tool_calls=wishes,
        stop=stop or ("tools" if calls else "end"),
        usage=Usage(prompt=prompt, completion=100),
        cost_microusd=1_500,
        provider="scripted",
        model="scripted-1",
        tier="local",
        call_id=new_id(),
    )


@dataclass
class ScriptedModel:
    """Gives the answers of its script in order, and remembers what it was asked."""

    script: Script
    asked: list[Ask] = field(default_factory=list)

    def complete(self, ask: Ask, *, stop: Stop, keep: Keep) -> Reply:
        """Return the next answer; a script that is over is a model that is stopped."""
        if stop.is_set() or len(self.asked) >= len(self.script):
            raise Stopped
        answer = self.script[len(self.asked)]
        self.asked.append(ask)
        reply = answer if isinstance(answer, Reply) else answer(ask)
        keep(reply)
        return reply
