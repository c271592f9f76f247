"""What a request holds that money needs: its words, its pictures, how much may be written, what costs extra."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agents.gateway.rules.money import Most, Writes

Body = Mapping[str, Any]
_SAID = ("system", "instructions", "messages", "input", "prompt")
_PICTURES = frozenset({"image", "image_url", "input_image"})
_SEALED = frozenset({"file", "input_file", "document", "input_audio", "audio", "video", "container_upload"})
_NAMES = frozenset(
    {"type", "role", "id", "tool_call_id", "tool_use_id", "call_id", "cache_control", "status"}
)
_SHAPED = ("response_format", "output_config", "output_format", "text")
_ROOMS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
UNBILLED = frozenset({
    "model", "stream", "stream_options", "n", "temperature", "top_p", "top_k", "min_p", "stop", "stop_sequences", "seed", "user", "store",
    "metadata", "client_metadata", "safety_identifier", "service_tier", "cache_control", "context_management", *_ROOMS,
})  # fmt: skip
"""What no model reads, so that no provider bills it as prompt; every other field counts, whatever it is called."""
_LONGEST_NAME = 80
"""A longer name or id is words in disguise."""
_SEARCHES = re.compile(r"^web_search")
_OURS = re.compile(
    r"^(?:function|custom|namespace|bash|text_editor|computer|memory|local_shell|shell|apply_patch)"
)
_DESCRIBED = (None, "function", "custom", "namespace")
_DEARER = {"service_tier": ("auto", "default", "standard", "standard_only", "flex"), "speed": ("standard",)}
_ABSURD = 10**8

MARGIN = (105, 100)
"""A provider's own count may move a little, and other tokenizers a little more."""
PER_PART, PER_REQUEST = 8, 16
"""What the providers' templates add for each message or tool, and for the whole."""
PICTURE = 5_000
_PICTURES_OF = {re.compile(r"4o-mini"): 50_000, re.compile(r"gpt-(?:5\.[4-9]|[6-9])|gemini"): 40_000}
"""More tokens than any picture is billed as, at any size, by the model's name. Source: the makers' guides to pictures; newer GPT
look at the original in up to 30,000 patches at 1.2 tokens, Gemini at tiles of 768 pixels."""
UNSEEN, UNSEEN_WITH_TOOLS, UNSEEN_OF_A_KNOWN_TOOL = 200, 1_000, 1_000
"""What a template may add where only bytes can be counted; what its maker says of a tool of its own is counted by nobody else."""


class Unbounded(ValueError):
    """Nobody can say what this request costs at most."""


@dataclass(frozen=True)
class Reading:
    """One request as money sees it.

    Attributes:
        texts: all that a model reads, in pieces.
        parts: messages and tools.
        sealed: parts whose size says nothing about their tokens: documents, sound.
        ids: tokens that were sent as such.
        room: what may be written in all: every choice, and thinking where it is counted apart.
        searches: how often the provider may search by itself.
        known_tools: tools that are only named here, because the maker describes them to the model.
    """

    texts: tuple[str, ...]
    ids: int
    parts: int
    pictures: int
    sealed: int
    room: int
    writes: Writes
    searches: int
    has_tools: bool
    known_tools: int


def read_request(body: Body, *, writes: bool = True) -> Reading:
    """Return what `body` holds, in any of the protocols; embeddings write nothing.

    Raises:
        Unbounded: it says no `max_tokens`, or asks for something whose price has no limit.
    """
    _check_price(body)
    found = _Found()
    for name in _SAID:
        found.read(body.get(name))
    shapes = [_dump(body[name]) for name in body if name not in _SAID and name not in UNBILLED]
    tools = _tools(body)
    return Reading(
        texts=(*found.texts, *shapes),
        ids=found.ids,
        parts=found.parts + len(tools),
        pictures=found.pictures,
        sealed=found.sealed,
        room=_room(body) if writes else 0,
        writes=_writes(body),
        searches=_searches(body, tools),
        has_tools=bool(tools) or any(name in body for name in _SHAPED),
        known_tools=sum(tool.get("type") not in _DESCRIBED for tool in tools),
    )


class _Found:
    """Collects what is said, whatever shape it has."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.ids = self.parts = self.pictures = self.sealed = 0

    def read(self, part: Any) -> None:
        """Take in `part` and all that it holds."""
        if isinstance(part, str):
            self.texts.append(part)
        elif isinstance(part, list):
            for one in part:
                self.read(one)
        elif isinstance(part, dict):
            self._read_object(part)
        elif isinstance(part, int):
            self.ids += 1

    def _read_object(self, part: dict[str, Any]) -> None:
        kind = part.get("type")  # inside what a tool was given it may be anything
        self.parts += 1
        if isinstance(kind, str) and kind in _PICTURES:
            self.pictures += 1
        elif isinstance(kind, str) and kind in _SEALED:
            self.sealed += 1
        else:
            for name, one in part.items():
                if name not in _NAMES or len(str(one)) > _LONGEST_NAME:
                    self.read(one)


def _dump(part: Any) -> str:
    return part if isinstance(part, str) else json.dumps(part, ensure_ascii=False, separators=(",", ":"))


def _tools(body: Body) -> list[Any]:
    tools = [*(body.get("tools") or ()), *(body.get("functions") or ())]
    if not all(isinstance(tool, dict) for tool in tools):
        raise Unbounded("tools")
    return tools


def _check_price(body: Body) -> None:
    for name, usual in _DEARER.items():
        if body.get(name) not in (None, *usual):
            raise Unbounded(name)
    if set(body.get("modalities") or ()) - {"text"}:
        raise Unbounded("modalities")
    for name in ("web_search_options", "mcp_servers", "background", "inference_geo"):
        if body.get(name):
            raise Unbounded(name)


def _room(body: Body) -> int:
    room: Any = [*(body[name] for name in _ROOMS if body.get(name) is not None), 0][0]
    choices: Any = body.get("best_of") or body.get("n") or 1
    thought: Mapping[str, Any] = body.get("thinking") or {}
    thinking = thought.get("budget_tokens", 0)
    if not _is_count(room):
        raise Unbounded("max_tokens")
    if not (_is_count(choices) and (thinking == 0 or _is_count(thinking))):
        raise Unbounded("n or thinking")
    apart = thinking if thinking >= room else 0
    return (int(room) + int(apart)) * int(choices)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value < _ABSURD


def _writes(body: Body) -> Writes:
    asked = set(_cache_terms(body))
    return "1h" if asked - {"5m"} else "5m" if asked else ""


def _cache_terms(part: Any) -> Iterator[str]:
    """Yield how long each marked part is to be kept."""
    if isinstance(part, list):
        for one in part:
            yield from _cache_terms(one)
    elif isinstance(part, dict):
        if isinstance(mark := part.get("cache_control"), dict):
            yield str(mark.get("ttl", "5m"))
        for one in part.values():
            yield from _cache_terms(one)


def _searches(body: Body, tools: list[Any]) -> int:
    """Return how often the provider may search; every other tool that it runs itself has no bound."""
    uses = 0
    for tool in tools:
        kind = str(tool.get("type") or "function")
        most: Any = tool.get("max_uses") or body.get("max_tool_calls") or 0
        if _SEARCHES.match(kind) and _is_count(most) and most < 100:
            uses += int(most)
        elif not _OURS.match(kind):
            raise Unbounded("tools of " + kind)
    return uses


Way = Literal["asked", "vocabulary", "bytes"]
"""Who counted: the provider, a vocabulary of ours, or nobody: then a byte is a token."""


def most_of(reading: Reading, *, counted: int, way: Way, window_tokens: int, model: str) -> Most:
    """Return the most that a request can use.

    `counted` are tokens of the whole request (`asked`), of its texts (`vocabulary`), or the bytes of its body.

    Raises:
        Unbounded: it holds what only its provider can count, and that did not.
    """
    tokens = -(-counted * MARGIN[0] // MARGIN[1]) if way != "bytes" else counted
    tokens += reading.ids if way == "vocabulary" else 0
    tokens += PER_REQUEST if way == "asked" else PER_PART * reading.parts + PER_REQUEST
    if way != "asked":
        tokens += reading.pictures * picture_of(model) + reading.known_tools * UNSEEN_OF_A_KNOWN_TOOL
        if reading.sealed:
            raise Unbounded("a document or a recording, which only its provider can count")
    if way == "bytes":
        tokens += UNSEEN_WITH_TOOLS if reading.has_tools else UNSEEN
    if reading.searches:  # what is found is read again at every round
        tokens = (reading.searches + 1) * window_tokens
    return Most(tokens, reading.room, writes=reading.writes, searches=reading.searches)


def picture_of(model: str) -> int:
    """Return more tokens than any picture is billed as at `model`."""
    return max((tokens for name, tokens in _PICTURES_OF.items() if name.search(model)), default=PICTURE)
