"""What is asked of a model, what it answers, and what a provider's protocol must do."""

import threading
from dataclasses import dataclass, replace
from typing import Literal, Protocol
from uuid import UUID

from agents.gateway.rules.money import Usage
from agents.gateway.rules.patience import longest_s
from agents.gateway.rules.route import Intent
from core.registry import Json, Tool

__all__ = [
    "Ask", "Complete", "Ear", "Intent", "Message", "Patience", "Reply", "Said", "Stop", "ToolCall", "Usage", "Wire",
]  # fmt: skip

Stop = threading.Event
Role = Literal["user", "assistant", "tool"]
StopReason = Literal["end", "tools", "length"]


@dataclass(frozen=True)
class ToolCall:
    """One call a model wants; `arguments` None: what it wrote (`raw`) is not a JSON object."""

    id: str
    name: str
    arguments: Json | None
    raw: str


@dataclass(frozen=True)
class Message:
    """One message; a `tool` message answers the call `tool_call_id`."""

    role: Role
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    is_error: bool = False


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One model call, complete in itself.

    Attributes:
        assignment_id: the attempt it belongs to.
        scopes: ids of the billing scopes that pay; the factory's is added.
        answer_schema: the JSON schema of the answer; None: free text or tool calls.
        max_tokens: the most it may write, reasoning included.
        step_key: names the paid step, so that whoever stores answers finds this one again.
    """

    agent: str
    assignment_id: UUID
    scopes: tuple[UUID, ...]
    system: str
    messages: tuple[Message, ...]
    max_tokens: int
    intent: Intent
    tools: tuple[Tool, ...] = ()
    answer_schema: Json | None = None
    step_key: str = ""
    correlation_id: UUID | None = None


@dataclass(frozen=True)
class Reply:
    """What a model answered. Source: R-02.4.

    Attributes:
        tool_calls: empty when the answer was cut (`length`): half a call is never carried out.
        usage: None: the provider did not say; the call is then booked at its bound.
        model: who really served it.
    """

    text: str
    tool_calls: tuple[ToolCall, ...]
    stop: StopReason
    usage: Usage | None
    cost_microusd: int
    provider: str
    model: str
    tier: str
    call_id: UUID


@dataclass(frozen=True)
class Said:
    """An answer as a provider's protocol told it.

    Attributes:
        is_dearer: it was served in a lane that costs more than the price we know.
    """

    text: str
    tool_calls: tuple[ToolCall, ...]
    stop: StopReason
    usage: Usage | None
    model: str
    first_token_ms: int | None = None
    is_dearer: bool = False


class Ear(Protocol):
    """Hears one answer, event by event; an event of another shape raises KeyError, TypeError or ValueError."""

    def hear(self, event: Json, /) -> None:
        """Take in one event.

        Raises:
            ProviderFault: the event tells of a failure.
        """

    @property
    def is_whole(self) -> bool:
        """Whether the provider said that the answer is over."""

    @property
    def written_bytes(self) -> int:
        """How much text was heard so far."""

    def said(self) -> Said:
        """Return the answer."""


class Wire(Protocol):
    """One provider's protocol: how to ask and how to listen."""

    @property
    def path(self) -> str:
        """Where to post, below the provider's address."""

    @property
    def count_path(self) -> str:
        """Where the provider counts tokens, free of charge; empty: it does not."""

    def headers(self, key: str, /) -> dict[str, str]:
        """Return what authorises the call."""

    def write(self, ask: Ask, *, model: str, max_tokens: int) -> Json:
        """Return the body of the request."""

    def listen(self) -> Ear:
        """Return an ear for one answer."""


@dataclass(frozen=True)
class Patience:
    """How long a call may take, in seconds of machine time. Source: R-02.10, U-5a.

    Attributes:
        first_token_s: until the answer begins.
        silence_s: between two signs of life.
        total_s: in all, however long the answer; must stay below the life of a hold.
        budget_s: until money held by other calls is free again.
        lane_s: until a model that takes so many calls at once has room. Source: R-02.22.
    """

    first_token_s: float = 30
    silence_s: float = 30
    total_s: float = 600
    budget_s: float = 30
    lane_s: float = 10

    def for_answer(
        self,
        room_tokens: int,
        *,
        tokens_per_s: int | None = None,
        is_whole: bool = False,
        is_own: bool = False,
    ) -> "Patience":
        """Return it for an answer of at most so many tokens; who answers in one piece (`is_whole`) is silent until then.

        A machine of our own (`is_own`) bills nothing, and a small one reads and writes slowly: it has all the time there is.
        """
        total_s = (
            self.total_s if is_own else min(self.total_s, longest_s(room_tokens, tokens_per_s=tokens_per_s))
        )
        first_s = total_s if is_whole or is_own else self.first_token_s
        return replace(self, total_s=total_s, first_token_s=first_s)


class Keep(Protocol):
    """Keeps a paid answer: rows only, in the transaction that books it, so that nothing paid is ever asked again."""

    def __call__(self, reply: Reply, /) -> object:
        """Keep it."""


class Complete(Protocol):
    """Gives a model's answer to one request."""

    def __call__(self, ask: Ask, /, *, stop: Stop, patience: Patience) -> Reply:
        """Return the answer."""
