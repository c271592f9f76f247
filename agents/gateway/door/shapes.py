"""What shape a field of a request has, where anything here reads it; of the rest its provider knows more than we do."""

from collections.abc import Mapping
from typing import Any

from agents.gateway.errors import BadAsk
from core.registry import Json

MOST_DEPTH = 100
"""Deeper than any schema: whoever reads it goes down into it."""
_OBJECT, _OBJECTS, _LIST = "an object", "a list of objects", "a list"
_SHAPES: Mapping[str, str] = {
    **dict.fromkeys(("messages", "tools", "functions"), _OBJECTS),
    **dict.fromkeys(("modalities", "stop_sequences", "include"), _LIST),
    **dict.fromkeys(
        ("stream_options", "thinking", "response_format", "output_config", "output_format", "text", "reasoning", "metadata",
         "context_management", "cache_control", "client_metadata", "chat_template_kwargs", "logit_bias"),
        _OBJECT,
    ),
    **dict.fromkeys(("system", "input", "stop"), "a text or a list"),
    **dict.fromkeys(("tool_choice", "function_call"), "a text or an object"),
    "instructions": "a text",
    "stream": "true or false",
}  # fmt: skip
_TYPES: Mapping[str, tuple[type, ...]] = {
    _OBJECT: (dict,),
    _OBJECTS: (list,),
    _LIST: (list,),
    "a text": (str,),
    "a text or a list": (str, list),
    "a text or an object": (str, dict),
    "true or false": (bool,),
}


def check_shapes(data: Json) -> None:
    """Let a request pass whose fields have the shapes that their names stand for; nothing is as good as null.

    Raises:
        BadAsk: one has not; the facts name it.
    """
    for name, value in data.items():
        expected = _SHAPES.get(name)
        if expected and value is not None and not _fits(value, expected):
            raise BadAsk(at=name, expected=expected)
        if _is_deeper(value, MOST_DEPTH):
            raise BadAsk(at=name, expected=f"at most {MOST_DEPTH} lists and objects inside each other")


def _fits(value: Any, expected: str) -> bool:
    is_right = isinstance(value, _TYPES[expected])
    return is_right and (expected != _OBJECTS or all(isinstance(one, dict) for one in value))


def _is_deeper(value: Any, most: int) -> bool:
    """Say whether more than `most` lists and objects stand inside each other; level by level, so that no depth breaks it."""
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for part in level
            if isinstance(part, list | dict)
            for inner in (part.values() if isinstance(part, dict) else part)
        ]
        if not level:
            return False
    return True
