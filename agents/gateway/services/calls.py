"""One model call: hold, stream, settle; another attempt where that helps."""

import time
from collections.abc import Sequence
from functools import partial

from django.db import Error, connection, transaction

from agents.gateway.adapters import transport
from agents.gateway.adapters.http import Cut, Line, converse
from agents.gateway.errors import (
    AllProvidersDown,
    BadAsk,
    LaneBusy,
    ProviderFault,
    ProvidersUnreachable,
    RateLimited,
    Stopped,
)
from agents.gateway.models import Call
from agents.gateway.ports import Ask, Keep, Patience, Reply, Said, Stop
from agents.gateway.rules.retry import TURNED_AWAY
from agents.gateway.services.batches import reply_later
from agents.gateway.services.lengths import LengthMeter
from agents.gateway.services.records import close_answered, close_failed, open_call
from agents.gateway.services.routes import Choice, Route, routes_for
from agents.gateway.services.turns import Turns
from billing.errors import BudgetBusy, SwitchSet, TierSpent
from billing.services import epoch, require_open, settling, switch_against
from core.adapters.away import is_away, outlast
from core.services import is_stopped, publish

PATIENCE = Patience()
_LOOK_S = 1.0
"""How often an open stream asks whether everything was stopped."""


def complete(ask: Ask, *, stop: Stop, patience: Patience = PATIENCE, keep: Keep | None = None) -> Reply:
    """Return a model's answer; every attempt is held before it leaves, settled once, and has a row. Source: U-7.

    Call it outside of any transaction: the hold must be on disk before the call leaves. `keep` is called in the
    transaction that books the answer: it is paid and kept, or neither.

    Raises:
        BadAsk: agent, messages or `max_tokens` are missing; nothing was called.
        BudgetExceeded: a limit would be passed, also after a wait for other calls to settle.
        NoCapableModel, ReviewerUnavailable, PriceUnknown: nobody may be called.
        AllProvidersDown, RateLimited: who could be called did not answer.
        SwitchSet: something that this call needs is switched off.
        Stopped: `stop` is set, or everything is stopped.
        BatchPending: it was handed in, and is answered later.
    """
    _check(ask)
    if ask.intent.speed == "batch" and (reply := reply_later(ask, keep=keep)) is not None:
        return reply
    choices = routes_for(ask)
    turns = Turns([choice.model for choice in choices])
    words: list[str] = []
    call: Call | None = None
    while step := turns.next():
        _wait(step.wait_s, stop)
        try:
            call, said = _try(ask, choices[step.place], call, stop=stop, patience=patience)
        except (TierSpent, SwitchSet) as refusal:
            turns.refuse(step.place, refusal)
        except ProviderFault as fault:
            call = _last_call(fault, call)
            (turns.fail if fault.call_id else turns.leave_out)(step.place, fault)
            words.append(f"{choices[step.place].model}: {fault.kind} {fault.words}".strip())
        else:
            return outlast(partial(_settle, call, said, keep=keep))
    raise turns.refusal if turns.refusal and not turns.faults else _give_up(turns.faults, words)


def _try(
    ask: Ask, choice: Choice, before: Call | None, *, stop: Stop, patience: Patience
) -> tuple[Call, Said]:
    """Call one model once: held before it leaves, and settled here when it fails."""
    route = choice.route
    line = transport.line_to(route.model.provider, mode=route.mode)
    call = _open(ask, route, before, stop=stop, patience=patience)
    try:
        return call, _attempt(ask, call, route, line, stop=stop, patience=patience)
    except ProviderFault as fault:
        fault.call_id = call.id
        raise


def _last_call(fault: ProviderFault, before: Call | None) -> Call | None:
    """Return the row of the attempt that failed; of one that never left there is none."""
    return Call.objects.get(id=fault.call_id) if fault.call_id else before


def _check(ask: Ask) -> None:
    missing = [
        name
        for name, value in (("agent", ask.agent), ("messages", ask.messages), ("scopes", ask.scopes))
        if not value
    ]
    if missing or ask.max_tokens < 1:
        raise BadAsk(missing=", ".join(missing) or "max_tokens")


def _open(ask: Ask, route: Route, fallback_from: Call | None, *, stop: Stop, patience: Patience) -> Call:
    """Open the call; where it would fit but for what other calls hold, wait for them, holding nothing. Source: U-5a."""
    began = time.monotonic()
    while True:
        if stop.is_set():
            raise Stopped
        try:
            return open_call(ask, route, fallback_from=fallback_from)
        except SwitchSet as off:
            raise (Stopped() if is_stopped() else off) from off
        except BudgetBusy:
            if time.monotonic() - began >= patience.budget_s:
                raise
        except LaneBusy:
            if time.monotonic() - began >= patience.lane_s:
                raise
        stop.wait(0.2)


def _settle(call: Call, said: Said, *, keep: Keep | None) -> Reply:
    """Book and keep the answer; a repeat books nothing more.

    What is kept is on the disk when this returns: a server that dies a moment later must not let it be paid again.
    """
    with settling() if keep is None else transaction.atomic():
        reply = close_answered(call, said)
        if keep is not None:
            keep(reply)
    return reply


def _attempt(ask: Ask, call: Call, route: Route, line: Line, *, stop: Stop, patience: Patience) -> Said:
    wire = transport.WIRES[route.model.provider.protocol]
    room = min(ask.max_tokens, route.model.max_output_tokens)
    try:
        return converse(
            wire,
            line,
            route.body,
            is_cut=_Watch(ask, call, stop),
            patience=patience.for_answer(
                room, tokens_per_s=route.model.tokens_per_s, is_own=route.model.is_own
            ),
            is_too_much=LengthMeter(call, room_tokens=room),
        )
    except ProviderFault as fault:
        outlast(partial(close_failed, call, fault))
        raise
    except Cut:
        outlast(partial(close_failed, call, ProviderFault("stopped", is_free=False, words="cut by us")))
        if not (stop.is_set() or is_stopped()):
            require_open(ask.scopes, provider=call.model.provider_id, model=call.model.name)
        raise Stopped from None
    except Exception as error:  # whatever broke, a time limit too: what left is paid, and nobody comes back
        broken = ProviderFault("garbled", is_free=False, words=f"nobody heard it: {type(error).__name__}")
        outlast(partial(close_failed, call, broken))
        raise


class _Watch:
    """A question that is cheap to ask often: is this work, or anything it needs, switched off?"""

    def __init__(self, ask: Ask, call: Call, stop: Stop) -> None:
        self._ask, self._call, self._stop = ask, call, stop
        self._looked, self._epoch = time.monotonic(), ""

    def __call__(self) -> bool:
        """While the database is away nobody knows, and what is on its way is paid for: it is heard to its end."""
        if self._stop.is_set():
            return True
        if time.monotonic() - self._looked < _LOOK_S:
            return False
        self._looked = time.monotonic()
        try:
            return self._is_off()
        except Error as error:
            if not is_away(error):
                raise
            connection.close()  # a broken one stays broken
            return False

    def _is_off(self) -> bool:
        if (now := epoch()) == self._epoch:
            return False
        model = self._call.model
        off = switch_against(scopes=self._ask.scopes, provider=model.provider_id, model=model.name)
        if off is not None or is_stopped():
            return True
        self._epoch = now
        return False


def _wait(seconds: float, stop: Stop) -> None:
    if seconds and stop.wait(seconds):
        raise Stopped


def _give_up(faults: Sequence[ProviderFault], words: Sequence[str]) -> AllProvidersDown | RateLimited:
    if all(fault.kind == "rate_limited" for fault in faults):
        return RateLimited(tried="; ".join(words))
    publish("gateway.providers_down", attempts=len(faults))
    is_free = all(fault.kind in TURNED_AWAY for fault in faults)
    return (ProvidersUnreachable if is_free else AllProvidersDown)(tried="; ".join(words))
