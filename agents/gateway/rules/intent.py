"""What a prompt wants, read from its shape: no model is asked, no word of any language is looked for. Source: R-02.3."""

from collections.abc import Iterable
from typing import Final, get_args

from agents.gateway.rules.route import Intent, Quality, Speed

SIMPLE_TOKENS: Final = 100
"""Whoever leaves less room than this wants a fact, a label or a yes."""
LONG_TOKENS, SHORT_SHARE = 8_000, 8
"""A prompt this long whose answer may be an eighth of it at most is to be made shorter."""
_FENCE: Final = "```"
AUTO: Final = "auto"


def read_intent(texts: Iterable[str], *, prompt_tokens: int, room: int, has_tools: bool = False) -> Intent:
    """Return what a prompt of these `texts` wants, whose answer may have `room` tokens."""
    if has_tools or any(_FENCE in text for text in texts):
        return Intent(task_type="coding", quality="good")
    if room < SIMPLE_TOKENS:
        return Intent(task_type="classification", quality="acceptable")
    if prompt_tokens >= LONG_TOKENS and room * SHORT_SHARE <= prompt_tokens:
        return Intent(task_type="summarization", quality="acceptable")
    return Intent()


def read_wish(name: str) -> tuple[Quality | None, Speed] | None:
    """Return what `auto`, `auto/best` or `auto/fast` says; None: it is the name of a model."""
    first, _, wish = name.partition("/")
    if first != AUTO:
        return None
    if wish in get_args(Quality):
        return wish, "normal"  # type: ignore[return-value]
    if wish in ("instant", "fast"):
        return None, wish  # type: ignore[return-value]
    return None if wish else (None, "normal")
