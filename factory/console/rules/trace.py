"""How spans are drawn: which shape, which tone, what stands behind the name."""

from collections.abc import Mapping
from typing import Final

from factory.console.rules import UNKNOWN_LOOK, Look, length_in_words, look_of

TOOL_LOOKS: Final[Mapping[str, Look]] = {
    "done": Look("term", "", "Done"),
    "failed": Look("term", "harm", "Failed"),
    "refused": Look("fail", "harm", "Refused"),
    "denied": Look("off", "harm", "Not its right"),
}
TURN_LOOKS: Final[Mapping[str, Look]] = {
    "done": Look("say", "", "Answered"),
    "replayed": Look("back", "", "Told again, paid before"),
}
SESSION_LOOKS: Final[Mapping[str, Look]] = {"running": Look("live", "live", "Works")}
BAR_TONES: Final = frozenset({"harm", "need", "live"})


def span_look(kind: str, status: str) -> Look:
    """Return how a span looks."""
    if kind == "tool":
        return TOOL_LOOKS.get(status, UNKNOWN_LOOK)
    if kind == "turn":
        return TURN_LOOKS.get(status, UNKNOWN_LOOK)
    if kind == "attempt":
        return SESSION_LOOKS.get(status) or look_of("try", status)
    return look_of({"graph": "dag"}.get(kind, kind), status) if kind != "objective" else UNKNOWN_LOOK


def bar_class(kind: str, tone: str) -> str:
    """Return how the bar of a span is filled: what went wrong, waits or runs in its tone, calls darker than tools."""
    if tone in BAR_TONES:
        return tone
    return {"call": "s", "tool": "h", "turn": "h"}.get(kind, "o")


def span_length(seconds: float) -> str:
    """Return how long a span took, short ones to the millisecond: `240 ms`, `1.4 s`, `41 s`, `6 min`."""
    if seconds < 1:
        return f"{round(seconds * 1_000)} ms"
    return f"{seconds:.1f} s" if seconds < 10 else length_in_words(seconds)
