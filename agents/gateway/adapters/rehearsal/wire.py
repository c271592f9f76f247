"""Both wires read into one Ask: OpenAI chat completions and Anthropic messages."""

import json
from dataclasses import dataclass
from typing import Any

from . import strict, tokens

Json = dict[str, Any]
OPENAI, ANTHROPIC = "/v1/chat/completions", "/v1/messages"
COUNT = "/v1/messages/count_tokens"


class Refused(Exception):
    """The request is not one that a provider would take."""


@dataclass(frozen=True)
class Call:
    """One tool call; `arguments` is JSON text as sent, which may be broken."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Turn:
    """One message: of `user`, `assistant` or `tool` (then `call_id` says which call it answers)."""

    role: str
    text: str
    calls: tuple[Call, ...] = ()
    call_id: str = ""
    is_error: bool = False


@dataclass(frozen=True)
class Tool:
    """A verb offered to the model."""

    name: str
    schema: Json


@dataclass(frozen=True)
class Ask:
    """All that a model may see of the world."""

    path: str
    model: str
    system: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...]
    schema: Json | None
    forced_tool: str | None
    max_tokens: int
    is_stream: bool
    wants_usage: bool
    shapes: str

    @property
    def prompt_tokens(self) -> int:
        """What this request costs to read: its words, its tools and schema, and 4 a message."""
        return tokens.count(self.text) + tokens.count(self.shapes) + 4 * len(self.turns) + 3

    @property
    def text(self) -> str:
        """System and messages as one text, oldest first."""
        said = [t.text + "".join(f"\n{c.name} {c.arguments}" for c in t.calls) for t in self.turns]
        return "\n".join([self.system, *said])


@dataclass(frozen=True)
class Said:
    """What the model answers; `stop` is end, calls or length."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    stop: str = "end"


def read(path: str, body: bytes) -> Ask:
    """The request as an Ask.

    Raises:
        Refused: unknown path, broken JSON, or a field that the provider requires is missing.
    """
    is_openai, why = path == OPENAI, f"no such route: {path}"
    if path not in (OPENAI, ANTHROPIC, COUNT):
        raise Refused(why)
    try:
        data = json.loads(body)
        if path == COUNT:
            data["max_tokens"] = 1
        ask = _read_openai(data) if is_openai else _read_anthropic(data)
        own = (strict.openai_faults if is_openai else strict.anthropic_faults)(data, ask.schema)
        faults = [*strict.shared_faults(ask.turns, ask.tools), *own]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as problem:
        faults = [f"invalid request: {problem!r}"]
    if faults:
        raise Refused(faults[0])
    return ask


def _text(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def _shapes(data: Json) -> str:
    shown = (data.get(key) for key in ("tools", "response_format", "output_config"))
    return "".join(json.dumps(shape, ensure_ascii=False) for shape in shown if shape)


def _read_openai(data: Json) -> Ask:
    system, turns = [], []
    for message in data["messages"]:
        role, text = message["role"], _text(message.get("content"))
        if role in ("system", "developer"):
            system.append(text)
            continue
        made = message.get("tool_calls") or ()
        calls = tuple(Call(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in made)
        turns.append(Turn(role, text, calls, message.get("tool_call_id", ""), text.startswith("error:")))
    wanted = (data.get("response_format") or {}).get("json_schema")
    choice = data.get("tool_choice")
    return Ask(
        OPENAI, data["model"], "\n".join(system), _some(turns),
        tuple(Tool(t["function"]["name"], t["function"].get("parameters") or {}) for t in data.get("tools") or ()),
        {"title": wanted["name"], **wanted["schema"]} if wanted else None,
        choice["function"]["name"] if isinstance(choice, dict) else None,
        data.get("max_completion_tokens") or data.get("max_tokens") or 16_384,
        bool(data.get("stream")), bool((data.get("stream_options") or {}).get("include_usage")), _shapes(data),
    )  # fmt: skip


def _read_anthropic(data: Json) -> Ask:
    turns: list[Turn] = []
    for message in data["messages"]:
        content = message["content"]
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        results = [b for b in blocks if b["type"] == "tool_result"]
        turns += [
            Turn("tool", _text(b.get("content")), (), b["tool_use_id"], bool(b.get("is_error")))
            for b in results
        ]
        used = [b for b in blocks if b["type"] == "tool_use"]
        calls = tuple(Call(b["id"], b["name"], json.dumps(b["input"], ensure_ascii=False)) for b in used)
        if (text := _text(blocks)) or calls:
            turns.append(Turn(message["role"], text, calls))
    choice = data.get("tool_choice") or {}
    return Ask(
        ANTHROPIC, data["model"], _text(data.get("system")), _some(turns),
        tuple(Tool(t["name"], t["input_schema"]) for t in data.get("tools") or ()),
        ((data.get("output_config") or {}).get("format") or {}).get("schema"),
        choice.get("name"), data["max_tokens"], bool(data.get("stream")), True, _shapes(data),
    )  # fmt: skip


def _some(turns: list[Turn]) -> tuple[Turn, ...]:
    if not turns:
        raise ValueError("messages: at least one message is required")
    return tuple(turns)
