"""A request in one protocol read into the words of the house, for a provider that speaks another; what has no meaning there is refused."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.gateway.adapters.openai import arguments_of
from agents.gateway.door.protocols import Protocol
from agents.gateway.errors import BadAsk, NotTranslatable
from agents.gateway.ports import Message, ToolCall
from core.registry import Json, Tool, ToolContext, ToolResult

_TEXTS = frozenset({"text", "input_text", "output_text", "refusal"})
_DROPPED = frozenset({"thinking", "redacted_thinking", "reasoning"})
"""What a model thought before belongs to its provider; another one cannot read it."""
_KEPT: Mapping[str, frozenset[str]] = {
    "chat": frozenset({"messages", "max_tokens", "max_completion_tokens", "tools", "tool_choice", "parallel_tool_calls", "stop", "n",
                       "response_format", "modalities"}),
    "messages": frozenset({"messages", "max_tokens", "system", "tools", "tool_choice", "stop_sequences", "output_config",
                           "output_format"}),
    "responses": frozenset({"input", "instructions", "max_output_tokens", "tools", "tool_choice", "parallel_tool_calls", "text"}),
}  # fmt: skip
_SHARED = frozenset({"model", "stream", "stream_options", "temperature", "top_p"})
_HINTS = frozenset({
    "metadata", "user", "store", "seed", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "thinking", "cache_control", "context_management", "reasoning", "reasoning_effort", "verbosity", "include", "truncation",
    "client_metadata", "background", "max_tool_calls",
})  # fmt: skip
"""Wishes that change no word of what was asked: they are left out where they mean nothing."""


@dataclass(frozen=True)
class Knobs:
    """How an answer is wanted, beside what is asked; `choice` is auto, none, any or a tool's name."""

    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    choice: str = ""
    is_parallel: bool | None = None


@dataclass(frozen=True)
class Read:
    """A request in the words of the house; `spaces` names the namespace of a tool that stood in one."""

    system: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    knobs: Knobs
    answer_schema: Json | None = None
    spaces: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def read_request(protocol: Protocol, data: Json) -> Read:
    """Return what `data` asks.

    Raises:
        NotTranslatable: a part has no meaning in another protocol.
        BadAsk: a part is missing.
    """
    kept = _KEPT[protocol.name]
    if strange := data.keys() - kept - _SHARED - _HINTS:
        raise NotTranslatable(fields=", ".join(sorted(strange)))
    if data.get("n") not in (None, 1):
        raise NotTranslatable(fields="n")
    try:
        return {"chat": _chat, "messages": _messages, "responses": _responses}[protocol.name](data)
    except (KeyError, TypeError, AttributeError, IndexError) as problem:
        raise BadAsk(at=protocol.name, problem=f"{type(problem).__name__} {problem}"[:100]) from problem


def _chat(data: Json) -> Read:
    system = [m for m in data["messages"] if m["role"] in ("system", "developer")]
    said = [_chat_message(m) for m in data["messages"] if m["role"] not in ("system", "developer")]
    shape = data.get("response_format") or {}
    stop = data.get("stop") or ()
    return Read(
        system="\n\n".join(_text(message.get("content")) for message in system),
        messages=tuple(said),
        tools=tuple(
            _function(tool.get("function") or {}, kind=tool["type"]) for tool in data.get("tools") or ()
        ),
        knobs=_knobs(data, stop=(stop,) if isinstance(stop, str) else tuple(stop)),
        answer_schema=_schema(shape, inner=shape.get("json_schema") or {}),
    )


def _chat_message(message: Json) -> Message:
    if message["role"] == "tool":
        return Message("tool", _text(message.get("content")), tool_call_id=message["tool_call_id"])
    if message["role"] not in ("user", "assistant"):
        raise NotTranslatable(role=message["role"])
    calls = tuple(
        _call(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    )
    return Message(message["role"], _text(message.get("content")), tool_calls=calls)


def _messages(data: Json) -> Read:
    config = (data.get("output_config") or {}).get("format") or data.get("output_format") or {}
    choice = data.get("tool_choice") or {}
    return Read(
        system=_text(data.get("system")),
        messages=tuple(said for message in data["messages"] for said in _blocks(message)),
        tools=tuple(_custom(tool) for tool in data.get("tools") or ()),
        knobs=_knobs(
            {**data, "tool_choice": choice.get("name") or choice.get("type")},
            stop=tuple(data.get("stop_sequences") or ()),
            is_parallel=False if choice.get("disable_parallel_tool_use") else None,
        ),
        answer_schema=_schema(config, inner=config),
    )


def _blocks(message: Json) -> Iterator[Message]:
    """Results of tools stand first, each in a message of its own."""
    content = message["content"]
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    results = [block for block in blocks if block["type"] == "tool_result"]
    used = [block for block in blocks if block["type"] == "tool_use"]
    for block in results:
        yield Message(
            "tool",
            _text(block.get("content")),
            tool_call_id=block["tool_use_id"],
            is_error=bool(block.get("is_error")),
        )
    rest = [block for block in blocks if block["type"] not in ("tool_result", "tool_use")]
    calls = tuple(
        _call(block["id"], block["name"], json.dumps(block["input"], ensure_ascii=False)) for block in used
    )
    if (text := _text(rest)) or calls or not results:
        yield Message(message["role"], text, tool_calls=calls)


def _responses(data: Json) -> Read:
    given = data["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    system = [_text(item.get("content")) for item in items if item.get("role") in ("system", "developer")]
    spaces: dict[str, tuple[str, str]] = {}
    tools = tuple(_response_tools(data.get("tools") or (), spaces=spaces))
    shape = (data.get("text") or {}).get("format") or {}
    return Read(
        system="\n\n".join(part for part in [data.get("instructions") or "", *system] if part),
        messages=tuple(_merged(_item(item, spaces) for item in items if not _is_silent(item))),
        tools=tools,
        knobs=_knobs(data, stop=()),
        answer_schema=_schema(shape, inner=shape),
        spaces=spaces,
    )


def _is_silent(item: Json) -> bool:
    return item.get("role") in ("system", "developer") or item.get("type") in _DROPPED


def _item(item: Json, spaces: Mapping[str, tuple[str, str]]) -> Message:
    match item.get("type", "message"):
        case "message":
            return Message(item["role"], _text(item["content"]))
        case "function_call":
            name = joined(item["namespace"], item["name"]) if item.get("namespace") else item["name"]
            return Message("assistant", "", tool_calls=(_call(item["call_id"], name, item["arguments"]),))
        case "function_call_output":
            return Message("tool", _text(item["output"]), tool_call_id=item["call_id"])
    raise NotTranslatable(item=item.get("type"))


def _merged(messages: Iterable[Message]) -> Iterator[Message]:
    """Join what an assistant said and called in one turn: other protocols know only whole turns."""
    held: Message | None = None
    for message in messages:
        if held is not None and held.role == message.role == "assistant":
            text = "\n\n".join(part for part in (held.text, message.text) if part)
            held = Message("assistant", text, tool_calls=held.tool_calls + message.tool_calls)
            continue
        if held is not None:
            yield held
        held = message
    if held is not None:
        yield held


def _response_tools(
    tools: Sequence[Json], *, spaces: dict[str, tuple[str, str]], space: str = ""
) -> Iterator[Tool]:
    for tool in tools:
        if tool["type"] == "namespace" and not space:
            yield from _response_tools(tool["tools"], spaces=spaces, space=tool["name"])
            continue
        name = joined(space, tool["name"]) if space else tool["name"]
        if space:
            spaces[name] = (space, tool["name"])
        yield _function({**tool, "name": name}, kind=tool["type"])


def joined(space: str, name: str) -> str:
    """Return the one name of a tool that stands in a namespace, where namespaces are unknown."""
    return f"{space}__{name}"[:64]


def _function(shape: Json, *, kind: str) -> Tool:
    if kind != "function":
        raise NotTranslatable(tool=kind)
    return _tool(shape["name"], shape.get("description"), shape.get("parameters"))


def _custom(tool: Json) -> Tool:
    if tool.get("type", "custom") != "custom":
        raise NotTranslatable(tool=tool["type"])
    return _tool(tool["name"], tool.get("description"), tool.get("input_schema"))


def _tool(name: str, description: str | None, schema: Json | None) -> Tool:
    return Tool(name, description or "", schema or {"type": "object", "properties": {}}, "read", _elsewhere)


def _elsewhere(context: ToolContext, arguments: Mapping[str, Any], /) -> ToolResult:
    """The engine carries its tools out itself."""
    raise NotTranslatable(tool=str(context))


def _call(call_id: str, name: str, raw: str) -> ToolCall:
    return ToolCall(call_id, name, arguments_of(raw), raw)


def _text(content: Any) -> str:
    """The words of a message; a picture or a file has none."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = [part for part in content if part["type"] not in _DROPPED]
    if foreign := {part["type"] for part in parts} - _TEXTS:
        raise NotTranslatable(parts=", ".join(sorted(foreign)))
    return "\n\n".join(part.get("text") or part.get("refusal") or "" for part in parts)


def _schema(shape: Json, *, inner: Json) -> Json | None:
    match shape.get("type", "text"):
        case "text":
            return None
        case "json_schema":
            return {"title": inner.get("name") or "answer", **inner["schema"]}
    raise NotTranslatable(format=shape["type"])


def _knobs(data: Json, *, stop: tuple[str, ...], is_parallel: bool | None = None) -> Knobs:
    choice = data.get("tool_choice") or ""
    if isinstance(choice, dict):
        choice = (choice.get("function") or choice).get("name") or ""
    return Knobs(
        temperature=data.get("temperature"),
        top_p=data.get("top_p"),
        stop=stop,
        choice="any" if choice == "required" else choice,
        is_parallel=data["parallel_tool_calls"] if data.get("parallel_tool_calls") is False else is_parallel,
    )


def turned(knobs: Knobs, *, speech: str) -> Json:
    """Return the knobs in the words of `openai` or `anthropic`."""
    said: Json = {"temperature": knobs.temperature, "top_p": knobs.top_p}
    is_word = knobs.choice in ("auto", "none", "any")
    if speech == "openai":
        word = "required" if knobs.choice == "any" else knobs.choice
        said |= {"stop": list(knobs.stop) or None, "parallel_tool_calls": knobs.is_parallel}
        said["tool_choice"] = word if is_word else _named_function(knobs.choice)
    else:
        said["stop_sequences"] = list(knobs.stop) or None
        named = (
            {"type": knobs.choice}
            if is_word
            else {"type": "tool", "name": knobs.choice}
            if knobs.choice
            else None
        )
        alone = {"disable_parallel_tool_use": True} if knobs.is_parallel is False else {}
        said["tool_choice"] = {**(named or {"type": "auto"}), **alone} if named or alone else None
    return {name: value for name, value in said.items() if value is not None}


def _named_function(name: str) -> Json | None:
    return {"type": "function", "function": {"name": name}} if name else None
