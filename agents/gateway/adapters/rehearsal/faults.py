"""How the rehearsal model errs: by the request's words, and not where the messages already complain."""

import json
import re

from . import tokens
from .dice import Dice, Seed
from .wire import ANTHROPIC, Ask, Said

_COMPLAINT = re.compile(
    r"\b(?:not valid|invalid|does not match|was cut|missing argument|unknown argument|try again|repair)\b",
    re.I,
)


def spoil(said: Said, ask: Ask, dice: Dice, *, seed: Seed) -> Said:
    """`said`, or a worse form of it: cut at `max_tokens` always, the rest by chance."""
    if not _was_told(ask):
        said = _mistake(said, ask, dice, every=seed.broken_every)
    return _fit(said, limit=ask.max_tokens)


def _was_told(ask: Ask) -> bool:
    last = ask.turns[-1]
    return last.is_error or (
        last.role == "user" and len(ask.turns) > 1 and bool(_COMPLAINT.search(last.text))
    )


def _mistake(said: Said, ask: Ask, dice: Dice, *, every: int | None) -> Said:
    whole = tokens.count(said.text) + sum(tokens.of_call(*call) for call in said.calls)
    if dice.hits("cut", share=1 / 15) and whole > 40:
        return _fit(said, limit=whole // 2)
    if said.calls and dice.hits("arguments", share=1 / every if every else 1 / 12):
        return Said(said.text, (_wrong(said.calls[0], ask, dice), *said.calls[1:]), said.stop)
    if ask.schema and not said.calls and dice.hits("json", share=1 / every if every else 1 / 8):
        return Said(_broken(said.text, dice), (), said.stop)
    return said


def _wrong(call: tuple[str, str], ask: Ask, dice: Dice) -> tuple[str, str]:
    """A key that no tool has; on OpenAI's wire also JSON that does not parse (Anthropic parses it itself)."""
    name, arguments = call
    if ask.path != ANTHROPIC and dice.hits("arguments-broken", share=0.5):
        return name, arguments[:-1]
    given = list(json.loads(arguments).items())
    first = given[0] if given else ("nothing", "")
    return name, json.dumps({f"{first[0]}_name": first[1], **dict(given[1:])}, ensure_ascii=False)


def _broken(text: str, dice: Dice) -> str:
    ways = (text[:-1], f"Here it is:\n```json\n{text}\n", text.replace('":', '"=', 1), "{}")
    return dice.pick("broken", ways)


def _fit(said: Said, *, limit: int) -> Said:
    """`said` within `limit` tokens, with the provider's word for a cut."""
    left, calls = limit - tokens.count(said.text), []
    for name, arguments in said.calls:
        room = left - tokens.of_call(name, "")
        if room > 0:
            calls.append((name, tokens.head(arguments, limit=room)))
        left -= tokens.of_call(name, arguments)
    return said if left >= 0 else Said(tokens.head(said.text, limit=limit), tuple(calls), "length")
