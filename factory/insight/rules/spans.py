"""One piece of a story. Source: R-08.9."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Kind = Literal["objective", "graph", "task", "attempt", "turn", "call", "tool"]


@dataclass(frozen=True, kw_only=True)
class Span:
    """One piece of a story.

    Attributes:
        status: as its own row says it: a task's state, an attempt's, a call's, a tool's outcome.
        started_at, ended_at: machine time; None: not yet.
        prompt_tokens, completion_tokens, cost_microusd: of everything below it; None: not known.
        prompt_version: the SHA-256 of the agent's file.
        score: 1 when what it made passed its judge, 0 when not; None: nobody judged.
        words: why it failed, or what a tool was used on.
        is_lost: its own parent is not known, so it hangs under the nearest that is.
    """

    id: UUID
    kind: Kind
    name: str
    parent_id: UUID | None = None
    status: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_microusd: int | None = None
    agent: str = ""
    model: str = ""
    prompt_version: str = ""
    score: float | None = None
    words: str = ""
    depth: int = 0
    is_lost: bool = False

    @property
    def seconds(self) -> float | None:
        """How long it took; None: it is not over, or never began."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0.0, (self.ended_at - self.started_at).total_seconds())
