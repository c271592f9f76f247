"""Talking to a model: every answer is paid once, and every turn written down."""

from dataclasses import dataclass, replace
from functools import partial

from agents.gateway.ports import Ask, Patience, Reply
from agents.gateway.services import fill
from agents.runtime import rules
from agents.runtime.errors import AnswerCut, Halted
from agents.runtime.models import Session, Turn
from agents.runtime.ports import Model
from agents.runtime.services.notes import notes_before
from agents.runtime.services.steps import keep_step, recall_step, reply_as_json, reply_from_json, step_key_of
from core.registry import Json, Stop
from core.services import announce


@dataclass(frozen=True)
class Spoken:
    """One answer, the turn it became, and the name of its step."""

    reply: Reply
    turn: Turn
    step_key: str


class Talk:
    """One session's talk with a model; no transaction is open while the model thinks."""

    def __init__(self, session: Session, *, model: Model, stop: Stop) -> None:
        self.session, self.model, self.stop = session, model, stop
        self.turns = 0

    def say(self, ask: Ask) -> Spoken:
        """Return the answer to `ask`: kept by an earlier attempt, or paid now and kept at once."""
        self.go_on()
        key = step_key_of(ask)
        kept = recall_step(self.session.reuse_key, step_key=key)
        if kept is not None:
            return Spoken(reply := reply_from_json(kept), self._write(reply, is_replayed=True), key)
        reply = self.model.complete(replace(ask, step_key=key), stop=self.stop, keep=partial(self._keep, key))
        return Spoken(reply, self._write(reply, is_replayed=False), key)

    def _keep(self, key: str, reply: Reply) -> None:
        cost, value = reply.cost_microusd, reply_as_json(reply)
        keep_step(self.session.reuse_key, step_key=key, value=value, cost_microusd=cost)

    def say_whole(self, ask: Ask) -> Spoken:
        """Return a whole answer: one that was cut is dropped and asked for again with twice the room.

        Raises:
            AnswerCut: it did not fit into the largest room.
        """
        sizes = rules.rooms(ask.max_tokens)
        for room in sizes:
            spoken = self.say(replace(ask, max_tokens=room))
            if spoken.reply.stop != "length":
                return spoken
        raise AnswerCut(room_tokens=sizes[-1])

    def notes(self) -> tuple[str, ...]:
        """Return what a person told the agent since its last turn."""
        return notes_before(self.session, turn=self.turns + 1)

    def go_on(self) -> None:
        """Pass, unless the attempt was told to stop.

        Raises:
            Halted: it was.
        """
        if self.stop.is_set():
            raise Halted

    def fill(self, ask: Ask) -> Json:
        """Return an object that fits the schema of `ask`; each try on the way is paid once.

        Raises:
            InvalidAnswer: no try gave one.
        """
        answer, _ = fill(ask, stop=self.stop, complete=self._try)
        return answer

    def _try(self, ask: Ask, /, *, stop: Stop, patience: Patience) -> Reply:
        """One try of `fill`; how patient to be is the model's own affair."""
        return self.say(ask).reply

    def _write(self, reply: Reply, *, is_replayed: bool) -> Turn:
        self.turns += 1
        usage = reply.usage
        announce(f"session:{self.session.assignment_id}")
        return Turn.objects.create(
            session=self.session,
            number=self.turns,
            call_id=reply.call_id,
            provider=reply.provider,
            model=reply.model,
            tier=reply.tier,
            prompt_tokens=usage.prompt if usage else None,
            completion_tokens=usage.completion if usage else None,
            cached_tokens=usage.cached if usage else None,
            cost_microusd=0 if is_replayed else reply.cost_microusd,
            is_replayed=is_replayed,
            stop=reply.stop,
            text=reply.text,
        )
