"""What a provider truly billed: tokens and, at the prices it was told, micro-dollars."""

import functools
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.play import Play

Json = dict[str, Any]
PRICE = {
    "input": 3_000_000, "output": 15_000_000, "cached": 300_000, "cache_write": 3_750_000, "cache_write_1h": 6_000_000,
}  # fmt: skip
"""Micro-dollars per million tokens, for every model that was given no price."""
_TAG = re.compile(rb"call:([0-9A-Za-z-]+)")
_KINDS = ("cached", "cache_write", "cache_write_1h")


@dataclass(frozen=True)
class Tokens:
    """The true use of one request; `prompt` and `completion` hold the others."""

    prompt: int
    completion: int
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Record:
    """One request as the provider remembers it; `tag`: what stood behind `call:` in its body."""

    number: int
    tag: str
    path: str
    model: str
    served: str
    key: str
    status: int
    fault: str
    tokens: Json
    billed_microusd: int


@dataclass
class Tally:
    """All that was asked, and what it came to."""

    prices: dict[str, dict[str, int]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)
    counted: int = 0

    def count(self, play: Play, *, path: str, model: str, key: str, body: bytes, tokens: Tokens) -> None:
        """Remember a request and bill it, or not."""
        tag = _TAG.search(body)
        served = play.served or model
        self.bodies.append({"path": path, "body": body.decode(errors="replace")})
        self.records.append(
            Record(
                number=len(self.records),
                tag=tag[1].decode() if tag else "",
                path=path,
                model=model,
                served=served,
                key=key[-4:],
                status=play.status,
                fault=play.fault,
                tokens=asdict(tokens),
                billed_microusd=self.bill(served, tokens) if play.is_billed else 0,
            )
        )

    def bill(self, model: str, tokens: Tokens) -> int:
        """Return what `tokens` cost at `model`, rounded up to a micro-dollar."""
        price: dict[str, int] = {**PRICE, **self.prices.get(model, {})}
        fresh = tokens.prompt - sum(getattr(tokens, kind) for kind in _KINDS)
        dear: int = fresh * price["input"] + sum(getattr(tokens, kind) * price[kind] for kind in _KINDS)
        return -(-(dear + tokens.completion * price["output"]) // 1_000_000)

    def totals(self) -> Json:
        """Return the sums."""
        billed = [record for record in self.records if record.billed_microusd]
        return {
            "requests": len(self.records),
            "billed": len(billed),
            "counted": self.counted,
            "billed_microusd": sum(record.billed_microusd for record in billed),
        }


def true_tokens(play: Play, asked: Json) -> Tokens:
    """Return what this answer uses: as the play says, else what was read and written, and kept where that was asked."""
    room = room_of(asked)
    written = (
        room if play.fills else min(room, count_text(play.text + "".join(c[1] + c[2] for c in play.calls)))
    )
    prompt = count_prompt(asked)
    kept = prompt if not play.usage and "cache_control" in json.dumps(asked) else 0
    return Tokens(**{"prompt": prompt, "completion": written, "cache_write": kept, **play.usage})


def room_of(asked: Json) -> int:
    """Return how much may be written."""
    return int(
        asked.get("max_completion_tokens")
        or asked.get("max_tokens")
        or asked.get("max_output_tokens")
        or 4_096
    )


def count_prompt(asked: Json) -> int:
    """Return the tokens of a request: its words, its tools and schemas as JSON, and 3 for each message."""
    said = [asked.get(name) for name in ("system", "instructions", "messages", "input", "prompt")]
    shown = [asked.get(name) for name in ("tools", "response_format", "output_config")]
    words = [word for part in said for word in words_of(part)]
    shapes = [json.dumps(shape, ensure_ascii=False) for shape in shown if shape]
    messages = asked.get("messages") if isinstance(asked.get("messages"), list) else [None]
    return sum(map(count_text, (*words, *shapes))) + 3 * len(messages or ()) + 3


def words_of(part: Any) -> Iterator[str]:
    """Yield every text a model reads inside `part`."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for one in part:
            yield from words_of(one)
    elif isinstance(part, dict):
        for name, one in part.items():
            if name not in ("type", "role", "id", "tool_call_id", "tool_use_id"):
                yield from words_of(one)


def count_text(text: str) -> int:
    """Return how many tokens of o200k `text` has."""
    encoding = _encoding()
    return (
        len(encoding.encode(text, disallowed_special=()))
        if encoding
        else -(-len(text.encode("utf-8", "replace")) // 4)
    )


@functools.cache
def _encoding() -> Any:
    """Return the vocabulary that lies in litellm's wheel, read without importing it; None: there is none."""
    found = importlib.util.find_spec("litellm")
    if found is None or found.origin is None or importlib.util.find_spec("tiktoken") is None:
        return None
    os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(found.origin).parent / "litellm_core_utils" / "tokenizers")
    import tiktoken  # noqa: PLC0415  heavy, and only found after the line above

    return tiktoken.get_encoding("o200k_base")
