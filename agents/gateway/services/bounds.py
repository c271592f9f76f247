"""What one request costs at most at one model: counted by its provider where that helps, else by us, else byte by byte."""

import json
from dataclasses import dataclass

from agents.gateway.adapters import tokens
from agents.gateway.adapters.http import Line
from agents.gateway.adapters.transport import WIRES, line_to
from agents.gateway.errors import CostUnbounded, PriceUnknown, ProviderFault
from agents.gateway.models import ModelEntry
from agents.gateway.rules.money import Most, Tariff, bound_microusd
from agents.gateway.rules.reading import Reading, Unbounded, Way, most_of, read_request
from agents.gateway.services.catalogue import tariffs_on
from core.models import Mode
from core.registry import Json
from core.services import business_now, current_mode

GEMINI = "gemini"
_WORTH = (10, 9)
"""A provider is asked to count only where counting could lower the bound by more than a tenth."""
_BYTES_PER_TOKEN = 8
"""No text is denser, on the whole: only to see what counting could bring."""


@dataclass(frozen=True)
class _Request:
    """One request on its way to be bounded."""

    entry: ModelEntry
    data: Json
    size_bytes: int
    reading: Reading

    def most(self, counted: int, way: Way) -> Most:
        """Return the most it can use, if this is what was counted."""
        return most_of(
            self.reading,
            counted=counted,
            way=way,
            window_tokens=self.entry.window_tokens,
            model=self.entry.name,
        )


def bound_of_body(  # noqa: PLR0913 (a request, and what its caller knows already)
    entry: ModelEntry,
    *,
    data: Json,
    size_bytes: int,
    tariff: Tariff | None = None,
    line: Line | None = None,
    writes: bool = True,
    mode: str = "",
) -> int:
    """Return the most that this request can cost at `entry`, in micro-dollars; never less than the bill.

    `data` is the body in the protocol of any door, `size_bytes` its length as sent; `tariff` (today's prices), `line` and
    `mode` are looked up where they are not at hand; embeddings write nothing.

    Raises:
        CostUnbounded: nobody can say what it costs at most; the words name the field.
        PriceUnknown: nobody knows the price of `entry`.
    """
    tariff = tariff or tariffs_on(business_now().date()).get(entry.id)
    if tariff is None:
        raise PriceUnknown(models=entry.name)
    try:
        reading = read_request(data, writes=writes and "embed" not in entry.capabilities)
        request = _Request(entry, data, size_bytes, reading)
        if reading.searches and tariff.search_microusd is None:
            raise PriceUnknown(models=f"{entry.name}, web search")
        return _bound(request, tariff, line, mode or current_mode())
    except Unbounded as problem:
        raise CostUnbounded(field=str(problem)) from problem


def _bound(request: _Request, tariff: Tariff, line: Line | None, mode: str) -> int:
    counted, way = _counted(request, tariff, line, mode) or (request.size_bytes, "bytes")
    return bound_microusd(request.most(counted, way), tariff)


def _counted(request: _Request, tariff: Tariff, line: Line | None, mode: str) -> tuple[int, Way] | None:
    """Return how many tokens it has, and who says so; None: nobody can, so a byte is a token."""
    entry = request.entry
    if vocabulary := tokens.vocabulary_of(entry.name) if mode == Mode.REAL else None:
        return tokens.count_texts(request.reading.texts, vocabulary=vocabulary), "vocabulary"
    wire, is_gemini = WIRES[entry.provider.protocol], entry.provider_id == GEMINI and mode == Mode.REAL
    if not (wire.count_path or is_gemini) or not _is_worth_asking(request, tariff):
        return None
    try:
        line = line or line_to(entry.provider, mode=mode)
    except ProviderFault:
        return None
    if is_gemini:
        texts = tokens.ask_gemini(line, entry.name, request.reading.texts)
        return None if texts is None else (texts, "vocabulary")
    whole = tokens.ask_count(wire, line, request.data)
    return None if whole is None else (whole, "asked")


def _is_worth_asking(request: _Request, tariff: Tariff) -> bool:
    if request.reading.sealed or request.reading.pictures:
        return True
    loose = bound_microusd(request.most(request.size_bytes, "bytes"), tariff)
    tight = bound_microusd(request.most(request.size_bytes // _BYTES_PER_TOKEN, "asked"), tariff)
    return loose * _WORTH[1] > tight * _WORTH[0]


def body_bytes(data: Json) -> bytes:
    """Return a body as it is sent."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
