"""The model: bytes in, bytes out, nothing else."""

import json
import re

from . import coder, faults, knowledge, speak, wire
from .dice import Dice, Seed
from .schema import Builder


def answer(path: str, body: bytes, *, seed: Seed) -> speak.Reply:
    """What the model replies to this request; the same for the same arguments, for ever."""
    try:
        ask = wire.read(path, body)
    except wire.Refused as problem:
        return speak.refuse(path, str(problem))
    if path == wire.COUNT:
        return speak.count(ask)
    dice = Dice(
        seed.number, ask.text, f"{ask.model} {ask.max_tokens.bit_length()}"
    )  # double room is another request
    said = faults.spoil(_say(ask, dice, seed=seed), ask, dice, seed=seed)
    return speak.write(speak.Letter(ask, said, f"{dice.number('mark'):016x}"))


def _say(ask: wire.Ask, dice: Dice, *, seed: Seed) -> wire.Said:
    """The best answer it has: a forced tool, a schema, code, or a sentence."""
    if ask.forced_tool:
        schema = next((t.schema for t in ask.tools if t.name == ask.forced_tool), {})
        made = _instance({"title": ask.forced_tool, **schema}, ask, dice)
        return wire.Said("", ((ask.forced_tool, made),), "calls")
    if ask.schema is not None:
        return wire.Said(_instance(ask.schema, ask, dice))
    if coder.can_code(ask):
        return coder.next_step(ask, seed=seed)
    words = " ".join(_words(ask)[:40]) or "nothing"
    return wire.Said(f"As I read it: {words}.")


def _instance(schema: wire.Json, ask: wire.Ask, dice: Dice) -> str:
    hint = knowledge.hint_for(schema, ask, dice)
    return json.dumps(Builder(schema, _words(ask), dice).build(hint), ensure_ascii=False)


def _words(ask: wire.Ask) -> tuple[str, ...]:
    """The words of what people said, oldest first."""
    said = " ".join(turn.text for turn in ask.turns if turn.role == "user")
    return tuple(re.findall(r"[^\W\d_][\w'-]*", said)[:2000])
