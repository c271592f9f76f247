"""The row of every attempt, and the money that belongs to it: written together."""

import logging
from hashlib import sha256
from uuid import UUID

from django.db import Error, transaction
from django.utils import timezone

from agents.gateway.errors import ProviderFault
from agents.gateway.models import Call
from agents.gateway.ports import Ask, Reply, Said
from agents.gateway.rules.money import Usage, cost_microusd
from agents.gateway.rules.route import names_of
from agents.gateway.services.catalogue import price_of
from agents.gateway.services.health import health_now
from agents.gateway.services.lanes import check_at_once, check_minute, count_begun
from agents.gateway.services.prices import stop_provider
from agents.gateway.services.routes import Route
from billing.services import capture_hold, holding, lose_hold, place_hold, release_hold, settling
from core.adapters.away import is_away, outlast
from core.adapters.rows import insert_row, new_row, update_row
from core.ids import correlation
from core.services import announce, business_now, is_handled, publish

logger = logging.getLogger(__name__)


def open_call(ask: Ask, route: Route, *, fallback_from: Call | None) -> Call:
    """Write the row and hold the worst case, for good, before anything leaves; call it outside of any transaction.

    Raises:
        LaneBusy: the model or its provider takes no more at once, or the agent began too many within a minute.
        BudgetBusy, TierSpent, BudgetExceeded, SwitchSet: nothing was held, nothing written.
    """
    health = health_now()  # read before the transaction, which others may wait for
    check_minute(health, agent=ask.agent)
    call = row_of(ask, route, fallback_from=fallback_from)
    try:
        with holding():
            _write_and_hold(call, ask, crowd=health.parallel.get(call.model.provider_id))
    except Error as error:
        if not is_away(error) or not outlast(Call.objects.filter(id=call.id).exists):
            raise  # else the database went away while it said that all is written
    count_begun(ask.agent)
    return call


def row_of(ask: Ask, route: Route, *, fallback_from: Call | None) -> Call:
    """Return the row of a call that is about to leave; it is not written yet."""
    call = new_row(
        Call,
        agent=ask.agent,
        assignment_id=ask.assignment_id,
        step_key=ask.step_key,
        correlation_id=ask.correlation_id or correlation.get(),
        model_id=route.model.pk,
        tier=route.model.tier,
        task_type=ask.intent.task_type,
        reason=route.reason,
        fallback_from_id=fallback_from and fallback_from.pk,
        bound_microusd=route.bound_microusd,
        prompt_sha256=sha256(route.body).hexdigest(),
        mode=route.mode,
    )
    call.model, call.tariff = route.model, route.tariff
    return call


def _write_and_hold(call: Call, ask: Ask, *, crowd: int | None) -> None:
    check_at_once(call.model, crowd=crowd)
    insert_row(call)
    place_hold(  # last: from here to the commit nobody else may hold
        scopes=ask.scopes,
        bound_microusd=call.bound_microusd,
        call_id=call.id,
        correlation_id=call.correlation_id,
        provider=call.model.provider_id,
        model=call.model.name,
        tier="" if ask.intent.security_sensitive else call.tier,
    )


def close_answered(call: Call, said: Said) -> Reply:
    """Book what the model that served it costs; an unknown cost is booked at the bound."""
    with settling():
        return _close_answered(call, said)


def _close_answered(call: Call, said: Said) -> Reply:
    usage = said.usage if said.usage and said.usage.is_plausible else None
    cost = None if said.is_dearer else _cost(call, said.model, usage)
    booked = call.bound_microusd if cost is None else min(cost, call.bound_microusd)
    status = Call.Status.LOST if cost is None else Call.Status.ANSWERED
    _close(
        call,
        status=status,
        cost=booked,
        usage=usage,
        served_model=said.model[:80],
        stop=said.stop,
        first_token_ms=said.first_token_ms,
    )
    if cost is None:
        call.cost_microusd = _lose(call, said)
    else:
        call.cost_microusd = _capture(call, cost, served=said.model)
    return reply_of(call, said, usage=usage)


def reply_of(call: Call, said: Said, *, usage: Usage | None) -> Reply:
    """Return the answer of a booked call; of one that was cut no tool is called."""
    return Reply(
        text=said.text,
        tool_calls=() if said.stop == "length" else said.tool_calls,
        stop=said.stop,
        usage=usage,
        cost_microusd=call.cost_microusd or 0,
        provider=call.model.provider_id,
        model=said.model or call.model.name,
        tier=call.tier,
        call_id=call.id,
    )


@transaction.atomic
def close_repeated(call: Call, first: Call) -> None:
    """Book that the answer of `first` was given again: it cost nothing."""
    _close(
        call,
        status=Call.Status.ANSWERED,
        cost=0,
        usage=Usage(0, 0),
        served_model=first.served_model,
        stop=first.stop,
        repeats_id=first.id,
    )
    _capture(call, 0, served=first.served_model)


def _capture(call: Call, cost: int, *, served: str) -> int:
    if cost > call.bound_microusd:
        stop_provider(call.model.provider_id, because=f"the bill of call {call.id} was above its bound")
    return capture_hold(
        call.id,
        cost_microusd=cost,
        agent=call.agent,
        correlation_id=call.correlation_id,
        facts={"provider": call.model.provider_id, "model": served, "asked": call.model.name},
    )


def _lose(call: Call, said: Said) -> int:
    """Book an answer whose cost nobody knows; in a dearer lane it may be above the bound, and so may the next one."""
    why = "no bill"
    if said.is_dearer:
        why = "a dearer lane"
        stop_provider(
            call.model.provider_id,
            because=f"call {call.id} was served in a dearer lane: nobody knows its price",
        )
    facts = {"why": why, "served": said.model, "asked": call.model.name}
    return lose_hold(call.id, agent=call.agent, facts=facts)


def _cost(call: Call, served: str, usage: Usage | None) -> int | None:
    """Return the cost at the price of who served, which may be a dated name of who was asked; None: unknown. Source: U-7."""
    served = served or call.model.name
    tariff = call.tariff and call.tariff.of(served)
    if tariff is None or call.model.name not in names_of(served):
        tariff = price_of(call.model.provider_id, served, mode=call.mode, day=business_now().date())
    if usage is None or tariff is None:
        return 0 if tariff is not None and tariff.is_free else None
    return cost_microusd(usage, tariff, is_batch=call.is_batch)


def close_failed(call: Call, fault: ProviderFault) -> None:
    """Give the hold back when the provider surely billed nothing, else book it at its bound."""
    with settling():
        _close_failed(call, fault)


def _close_failed(call: Call, fault: ProviderFault) -> None:
    status = Call.Status.FAILED if fault.is_free else Call.Status.LOST
    cost = 0 if fault.is_free else call.bound_microusd
    _close(
        call, status=status, cost=cost, fault=fault.kind, words=fault.words, retry_after_s=fault.retry_after_s
    )
    if fault.is_free:
        release_hold(call.id)
    else:
        lose_hold(call.id, agent=call.agent, facts={"why": fault.kind, "asked": call.model.name})
    if fault.kind == "refused_us":
        publish("gateway.provider_refused", provider=call.model.provider_id, words=fault.words)


@transaction.atomic
def settle_lost(call_id: UUID, *, cost_microusd: int) -> None:
    """Close the row of a call whose hold was given up as lost. Safe to run twice; a closed row stays."""
    Call.objects.filter(id=call_id, status=Call.Status.OPEN).update(
        status=Call.Status.LOST, cost_microusd=cost_microusd, ended_at=timezone.now()
    )


def _close(
    call: Call, *, status: str, cost: int, usage: Usage | None = None, **said: str | float | UUID | None
) -> None:
    now = timezone.now()
    update_row(
        Call,
        call.id,
        status=status,
        cost_microusd=cost,
        ended_at=now,
        prompt_tokens=usage and usage.prompt,
        completion_tokens=usage and usage.completion,
        cached_tokens=usage and usage.cached,
        cache_write_tokens=usage and usage.cache_write,
        cache_write_1h_tokens=usage and usage.cache_write_1h,
        reasoning_tokens=usage and usage.reasoning,
        **said,
    )
    _tell_settled(call, status=status, cost=cost)
    logger.info(
        "gateway.call_settled",
        extra={
            "call_id": call.id,
            "agent": call.agent,
            "model": str(call.model),
            "cost_microusd": cost,
            "ms": round((now - call.started_at).total_seconds() * 1_000),
        },
    )


def _tell_settled(call: Call, *, status: str, cost: int) -> None:
    """Its row is the record of it: a fact of its own is written only for somebody; open pages look again all the same."""
    if is_handled("gateway.call_settled"):
        publish("gateway.call_settled", call_id=str(call.id), status=status, cost_microusd=cost)
    else:
        announce("money")
