"""How many tokens a request has: asked of its provider, or counted with a vocabulary that needs no network."""

import functools
import importlib.util
import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agents.gateway.adapters.http import Line, url_of
from agents.gateway.adapters.links import BROKEN, Unreachable
from agents.gateway.ports import Wire
from agents.gateway.rules.reading import UNBILLED

ASK_S = 2.0
"""Longer than this no call waits to be counted."""
_O200K, _CL100K = "o200k_base", "cl100k_base"
_OLDER = re.compile(r"^(?:gpt-4(?:-|$)|gpt-3\.5|text-embedding)")
_OPENAI = re.compile(r"(?:^|/)(?:gpt-|chatgpt-|o\d(?:-|$)|codex|text-embedding-)")
ASKED = ("model", "messages", "system", "tools", "tool_choice", "thinking")
"""What a provider is told to count; it knows no other field there."""
_GEMINI = re.compile(r"^(.*/v1(?:beta|alpha)?)/openai/?$")
_KEPT = 512
_lock = threading.Lock()
_counted: OrderedDict[bytes, int] = OrderedDict()
"""What providers said of the last requests; a repeat, or the next try of the same one, is not asked again."""


def vocabulary_of(model: str) -> str | None:
    """Return the vocabulary that `model` uses, as far as its name tells; None: unknown, or not on this machine."""
    if not _OPENAI.search(model) or _folder() is None:
        return None
    return _CL100K if _OLDER.search(model.rpartition("/")[2]) else _O200K


def count_texts(texts: Iterable[str], *, vocabulary: str) -> int:
    """Return the tokens of `texts`, each by itself."""
    encoding = _encoding(vocabulary)
    return sum(len(encoding.encode_ordinary(_clean(text))) for text in texts)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def ask_count(wire: Wire, line: Line, body: Mapping[str, Any]) -> int | None:
    """Return the tokens of `body` as its provider counts them, free of charge; None: it does not say in time.

    What it may bill and would not count (a schema of the answer) is added byte by byte.
    """
    path = wire.count_path
    asked = {name: body[name] for name in ASKED if name in body}
    payload = json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    digest = sha256(line.base_url.encode() + payload).digest()
    with _lock:
        known = _counted.get(digest)
    if known is None:
        url = url_of(line.base_url, path)
        known = _ask(line, url, wire.headers(line.key), payload, says="input_tokens") if path else None
        if known is None:
            return None
        _remember(digest, known)
    return known + sum(
        len(json.dumps(body[name], ensure_ascii=False).encode("utf-8", "replace"))
        for name in body
        if name not in ASKED and name not in UNBILLED
    )


def ask_gemini(line: Line, model: str, texts: Sequence[str]) -> int | None:
    """Return the tokens of `texts` as Gemini counts them, free of charge; None: it is not Gemini, or does not say in time.

    Its OpenAI-shaped address counts nothing; the one beside it does. Source: ai.google.dev/api/tokens.
    """
    address = _GEMINI.match(line.base_url)
    if address is None:
        return None
    parts = [{"text": _clean(text)} for text in texts]
    payload = json.dumps({"contents": [{"parts": parts}]}, ensure_ascii=False, separators=(",", ":")).encode()
    url = f"{address[1]}/models/{model.rpartition('/')[2]}:countTokens"
    digest = sha256(url.encode() + payload).digest()
    with _lock:
        known = _counted.get(digest)
    if known is None:
        known = _ask(line, url, {"x-goog-api-key": line.key}, payload, says="totalTokens")
        if known is not None:
            _remember(digest, known)
    return known


def _ask(line: Line, url: str, headers: Mapping[str, str], payload: bytes, *, says: str) -> int | None:
    try:
        answer = line.links.ask(
            "POST",
            urlsplit(url).path,
            body=payload,
            headers={"content-type": "application/json", **headers},
            within_s=ASK_S,
        )
        found = json.loads(answer.body)[says] if answer.status == 200 else None
    except (Unreachable, *BROKEN, ValueError, KeyError, TypeError):
        return None
    return found if type(found) is int and found >= 0 else None


def _remember(digest: bytes, count: int) -> None:
    with _lock:
        _counted[digest] = count
        while len(_counted) > _KEPT:
            _counted.popitem(last=False)


@functools.cache
def _folder() -> Path | None:
    """Return where litellm's wheel keeps the vocabularies; it is found, never imported."""
    found = importlib.util.find_spec("litellm")
    if found is None or found.origin is None or importlib.util.find_spec("tiktoken") is None:
        return None
    folder = Path(found.origin).parent / "litellm_core_utils" / "tokenizers"
    return folder if folder.is_dir() else None


@functools.cache
def _encoding(vocabulary: str) -> Any:
    """Read the vocabulary, once, when the first model needs it."""
    os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(_folder()))
    import tiktoken  # noqa: PLC0415  half a second and 60 MB, for who needs it alone

    return tiktoken.get_encoding(vocabulary)
