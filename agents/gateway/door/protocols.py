"""What may be asked at each door, and what of it decides the price; whatever has no known bound is refused."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agents.gateway.door.body import Body
from agents.gateway.door.shapes import check_shapes
from agents.gateway.errors import BadAsk, CostUnbounded
from core.registry import Json

Name = Literal["chat", "responses", "messages", "embeddings", "count_tokens"]
Kinds = Iterator[tuple[str, str | None]]
MOST_TOKENS = 10_000_000
"""More than any model writes: whoever asks for more did not mean it."""
MOST_CHOICES = 128
_PLAIN_TIERS = (None, "auto", "default", "flex", "standard_only")


@dataclass(frozen=True)
class Protocol:
    """One door.

    Attributes:
        speech: whose words it speaks: `openai` or `anthropic`.
        room: the fields that say how much may be written, the first that is there counts; none: nothing is written.
        fields: every field that may stand in a request; of any other nobody knows what it costs.
        kinds: the parts of a request, tools too, that may stand in it.
    """

    name: Name
    path: str
    speech: Literal["openai", "anthropic"]
    room: tuple[str, ...]
    fields: frozenset[str]
    kinds: frozenset[str]


@dataclass(frozen=True)
class Wanted:
    """A request as money sees it."""

    protocol: Protocol
    body: Body
    model: str
    max_tokens: int | None
    choices: int
    images: int
    is_stream: bool


def read_wanted(protocol: Protocol, body: Body) -> Wanted:
    """Return what this request wants.

    Raises:
        BadAsk: a field is missing, or its shape or number makes no sense.
        CostUnbounded: a field or part may cost whatever it likes.
    """
    data = body.data
    if strange := data.keys() - protocol.fields:
        raise CostUnbounded(fields=", ".join(sorted(strange))[:200])
    check_shapes(data)
    if data.get("service_tier") not in _PLAIN_TIERS or data.get("background"):
        raise CostUnbounded(fields="service_tier, background")
    kinds = list(_kinds(protocol, data))
    if foreign := sorted({f"{at} {kind}" for at, kind in kinds if kind not in protocol.kinds}):
        raise CostUnbounded(parts=", ".join(foreign)[:200])
    model = data.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= 120:
        raise BadAsk(missing="model")
    return Wanted(
        protocol=protocol,
        body=body,
        model=model,
        max_tokens=_max_tokens(protocol, data),
        choices=_count(data.get("n") or 1, at="n", most=MOST_CHOICES),
        images=sum(kind in _IMAGES for _, kind in kinds),
        is_stream=data.get("stream") is True,
    )


def _max_tokens(protocol: Protocol, data: Json) -> int | None:
    """What the request says, None: nothing; where two fields say it, neither may hide the other."""
    said = [
        _count(data[name], at=name, most=MOST_TOKENS) for name in protocol.room if data.get(name) is not None
    ]
    return max(said, default=None)


def _count(value: Any, *, at: str, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise BadAsk(at=at, expected=f"a whole number from 1 to {most}")
    return value


def _kinds(protocol: Protocol, data: Json) -> Kinds:
    """Yield the kind of every part, and where it stands."""
    try:
        yield from (
            ("tool", kind) for tool in data.get("tools") or () for kind in _tool_kinds(tool, protocol)
        )
        yield from (("edit", _undated(_kind_of(edit) or "")) for edit in _edits(data))
        yield from (("format", None) for kind in data.get("modalities") or () if kind != "text")
        yield from (("part", kind) for kind in _parts(data.get("system")))
        said = data.get("messages") if protocol.name != "responses" else data.get("input")
        if isinstance(said, list) and protocol.name != "embeddings":
            yield from (("part", kind) for item in said for kind in _item_kinds(item))
    except (AttributeError, TypeError, KeyError) as problem:
        raise BadAsk(at="messages, tools or edits", problem=type(problem).__name__) from problem


def _kind_of(part: Json) -> str | None:
    """Return its kind; None: it names none.

    Raises:
        BadAsk: its kind is no word.
    """
    kind = part.get("type")
    if kind is not None and not isinstance(kind, str):
        raise BadAsk(at="type", expected="a text")
    return kind


def _tool_kinds(tool: Json, protocol: Protocol) -> Iterator[str]:
    """Where kinds may be left out a tool without one is the caller's own; a dated one is named without its date."""
    kind = _kind_of(tool)
    yield _undated(kind or "custom") if protocol.speech == "anthropic" else kind or "without a type"
    for inner in tool.get("tools") or ():
        yield from _tool_kinds(inner, protocol)


def _undated(kind: str) -> str:
    return kind.rpartition("_")[0] if kind[-1:].isdigit() else kind


def _edits(data: Json) -> Sequence[Json]:
    """What is done to a long conversation before it is read: what only leaves out may stand there."""
    return (data.get("context_management") or {}).get("edits") or ()


def _item_kinds(item: Json) -> Iterator[str | None]:
    if "content" in item or "role" in item:
        yield from _parts(item.get("content"))
    kind = _kind_of(item)
    if "role" not in item or kind not in (None, "message"):
        yield kind
        yield from _parts(item.get("output"))


def _parts(content: Any) -> Iterator[str | None]:
    """Yield the kind of every part of `content`, and of the parts of a tool's result; a text is one part."""
    for part in content if isinstance(content, list) else ():
        kind = _kind_of(part)
        is_text = kind == "document" and (part.get("source") or {}).get("type") == "text"
        yield "text" if is_text else kind
        if kind == "tool_result":
            yield from _parts(part.get("content"))


_IMAGES = frozenset({"image", "image_url", "input_image"})
_SHARED = frozenset(
    {"model", "metadata", "temperature", "top_p", "stream", "tools", "tool_choice", "service_tier"}
)
_OPENAI = _SHARED | {
    "store", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "parallel_tool_calls",
    "top_logprobs", "stream_options",
}  # fmt: skip
_MESSAGES = _SHARED | {
    "messages", "max_tokens", "system", "stop_sequences", "thinking", "top_k", "output_config", "output_format",
    "context_management", "cache_control",
}  # fmt: skip
_BLOCKS = frozenset({
    "text", "image", "tool_use", "tool_result", "thinking", "redacted_thinking",
    "custom", "bash", "text_editor", "computer", "memory", "clear_tool_uses", "clear_thinking",
})  # fmt: skip

CHAT = Protocol(
    name="chat",
    path="/v1/chat/completions",
    speech="openai",
    room=("max_completion_tokens", "max_tokens"),
    fields=_OPENAI | {
        "messages", "max_tokens", "max_completion_tokens", "n", "stop", "presence_penalty", "frequency_penalty",
        "logit_bias", "logprobs", "seed", "response_format", "reasoning_effort", "verbosity", "modalities",
        "functions", "function_call", "top_k", "min_p", "chat_template_kwargs",
    },
    kinds=frozenset({"text", "refusal", "image_url", "function", "custom"}),
)  # fmt: skip
RESPONSES = Protocol(
    name="responses",
    path="/v1/responses",
    speech="openai",
    room=("max_output_tokens",),
    fields=_OPENAI | {
        "input", "instructions", "max_output_tokens", "max_tool_calls", "text", "reasoning", "include", "truncation",
        "background", "client_metadata",
    },
    kinds=frozenset({
        "input_text", "output_text", "refusal", "input_image", "summary_text", "reasoning_text", "reasoning", "text",
        "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "local_shell_call",
        "local_shell_call_output", "function", "custom", "namespace", "local_shell",
    }),
)  # fmt: skip
MESSAGES = Protocol(
    name="messages",
    path="/v1/messages",
    speech="anthropic",
    room=("max_tokens",),
    fields=_MESSAGES,
    kinds=_BLOCKS,
)
COUNT_TOKENS = Protocol(
    name="count_tokens",
    path="/v1/messages/count_tokens",
    speech="anthropic",
    room=(),
    fields=_MESSAGES,
    kinds=_BLOCKS,
)
EMBEDDINGS = Protocol(
    name="embeddings",
    path="/v1/embeddings",
    speech="openai",
    room=(),
    fields=frozenset({"model", "input", "dimensions", "encoding_format", "user"}),
    kinds=frozenset(),
)
DOORS: Sequence[Protocol] = (CHAT, RESPONSES, MESSAGES, COUNT_TOKENS, EMBEDDINGS)
