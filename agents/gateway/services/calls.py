"""One model call: hold, stream, settle; another attempt where that helps."""

import time
from collections.abc import Callable, Sequence

from django.db import transaction

from agents.gateway.adapters import transport
from agents.gateway.adapters.http import Cut, Line, converse
from agents.gateway.errors import (
    AllProvidersDown,
    BadAsk,
    ProviderFault,
    ProvidersUnreachable,
    RateLimited,
    Stopped,
)
from agents.gateway.models import Call
from agents.gateway.ports import Ask, Keep, Patience, Reply, Said, Stop
from agents.gateway.rules.retry import Failure, next_step
from agents.gateway.services.records import close_answered, close_failed, open_call
from agents.gateway.services.routes import Route, routes_for
from billing.errors import BudgetBusy
from core.services import current_mode, is_stopped, publish

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
        Stopped: `stop` is set, or everything is stopped.
    """
    _check(ask)
    routes = routes_for(ask)
    failures: list[Failure] = []
    words: list[str] = []
    call: Call | None = None
    while step := next_step(failures, providers=[route.model.provider_id for route in routes]):
        _wait(step.wait_s, stop)
        route = routes[step.place].route
        line = transport.line_to(route.model.provider, mode=current_mode())
        call = _open(ask, route, call, stop=stop, patience=patience)
        try:
            said = _attempt(call, route, line, stop=stop, patience=patience)
        except ProviderFault as fault:
            failures.append(Failure(step.place, fault.kind, fault.retry_after_s))
            words.append(f"{call.model}: {fault.kind} {fault.words}".strip())
        else:
            return _settle(call, said, keep=keep)
    raise _give_up(failures, words)


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
    until = time.monotonic() + patience.budget_s
    while True:
        if stop.is_set() or is_stopped():
            raise Stopped
        try:
            return open_call(ask, route, fallback_from=fallback_from)
        except BudgetBusy:
            if time.monotonic() >= until:
                raise
            stop.wait(0.2)


@transaction.atomic
def _settle(call: Call, said: Said, *, keep: Keep | None) -> Reply:
    reply = close_answered(call, said)
    if keep is not None:
        keep(reply)
    return reply


def _attempt(call: Call, route: Route, line: Line, *, stop: Stop, patience: Patience) -> Said:
    wire = transport.WIRES[route.model.provider.protocol]
    try:
        return converse(wire, line, route.body, is_cut=_watch(stop), patience=patience)
    except ProviderFault as fault:
        close_failed(call, fault)
        raise
    except Cut:
        close_failed(call, ProviderFault("stopped", is_free=False, words="cut by us"))
        raise Stopped from None


def _watch(stop: Stop) -> Callable[[], bool]:
    """Return a question that is cheap to ask often: is this work, or everything, stopped?"""
    looked = time.monotonic()

    def is_cut() -> bool:
        nonlocal looked
        if stop.is_set():
            return True
        if time.monotonic() - looked < _LOOK_S:
            return False
        looked = time.monotonic()
        return is_stopped()

    return is_cut


def _wait(seconds: float, stop: Stop) -> None:
    if seconds and stop.wait(seconds):
        raise Stopped


def _give_up(failures: Sequence[Failure], words: Sequence[str]) -> AllProvidersDown | RateLimited:
    if all(failure.kind == "rate_limited" for failure in failures):
        return RateLimited(tried="; ".join(words))
    publish("gateway.providers_down", attempts=len(failures))
    is_cut_off = all(failure.kind == "unreachable" for failure in failures)
    return (ProvidersUnreachable if is_cut_off else AllProvidersDown)(tried="; ".join(words))
