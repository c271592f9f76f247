"""An answer that fits its schema: repaired once, then asked one tier up; every try is paid."""

from dataclasses import replace

from agents.gateway.errors import BadAsk, InvalidAnswer
from agents.gateway.ports import Ask, Complete, Message, Patience, Reply, Stop
from agents.gateway.rules.answers import read_answer
from agents.gateway.rules.route import Speed
from agents.gateway.services.calls import PATIENCE, complete
from core.registry import Json

_TRIES = 3
_SHOWN_CHARS = 8_000


def fill(
    ask: Ask, *, stop: Stop, patience: Patience = PATIENCE, complete: Complete = complete
) -> tuple[Json, Reply]:
    """Return the answer as an object that fits `ask.answer_schema`, and the reply that held it.

    The reply's cost is what all tries together cost. Whoever keeps paid answers passes a `complete` of its own, which
    gives a try again that was paid before.

    Raises:
        InvalidAnswer: neither the first answer, nor its repair, nor a better model's fits.
        FactoryError: whatever `complete` raises.
    """
    if ask.answer_schema is None:
        raise BadAsk(missing="answer_schema")
    spent = 0
    faults: tuple[str, ...] = ()
    for attempt in range(1, _TRIES + 1):
        reply = complete(ask, stop=stop, patience=patience)
        spent += reply.cost_microusd
        answer, faults = read_answer(reply.text, schema=ask.answer_schema)
        if answer is not None and reply.stop != "length":
            return answer, replace(reply, cost_microusd=spent)
        ask = _repaired(ask, reply, faults, is_last=attempt == _TRIES - 1)
    raise InvalidAnswer(faults="; ".join(faults), tries=_TRIES)


def _repaired(ask: Ask, reply: Reply, faults: tuple[str, ...], *, is_last: bool) -> Ask:
    """Ask again with the complaint, with double room where the answer was cut, and one tier up for the last try.

    A repair is asked at once: nobody waits another day for a comma.
    """
    was_cut = reply.stop == "length"
    complaint = "was cut at the limit" if was_cut else f"is not valid: {'; '.join(faults)}"
    said = Message("assistant", reply.text[:_SHOWN_CHARS] or "(nothing)")
    asked = Message(
        "user", f"Your answer {complaint}. Repair it: answer with the whole JSON and nothing else."
    )
    steps = ask.intent.tier_steps + (1 if is_last else 0)
    return replace(
        ask,
        messages=(*ask.messages, said, asked),
        max_tokens=ask.max_tokens * (2 if was_cut else 1),
        intent=replace(ask.intent, tier_steps=steps, speed=_at_once(ask.intent.speed)),
    )


def _at_once(speed: Speed) -> Speed:
    return "normal" if speed == "batch" else speed
