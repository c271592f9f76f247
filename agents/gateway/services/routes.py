"""Turn what is wanted into models to try, in order."""

import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace

from django.utils.functional import cached_property  # that of functools has one lock for all

from agents.gateway.adapters.transport import WIRES
from agents.gateway.errors import NoCapableModel, PriceUnknown, ReviewerUnavailable
from agents.gateway.models import ModelEntry
from agents.gateway.ports import Ask
from agents.gateway.rules.money import Most, Tariff, bound_microusd, likely_microusd, likely_tokens
from agents.gateway.rules.route import Candidate, capable, in_order, reason_for
from agents.gateway.services.bounds import body_bytes, bound_of_body
from agents.gateway.services.catalogue import Offer, shelf
from agents.gateway.services.health import health_now
from billing.errors import BudgetExceeded
from billing.services.scopes import Terms, terms_of_call
from core.money import in_words

_MOST_OF_A_DAY = 0.8
_MTOK = 1_000_000
_TEMPLATE_BYTES = 48
"""What the protocols write around each message."""


@dataclass(frozen=True)
class Route:
    """One model to try: the bytes that are sent, and what that costs at most, at the prices of `tariff`."""

    model: ModelEntry
    body: bytes
    bound_microusd: int
    reason: str
    mode: str
    tariff: Tariff | None


@dataclass(eq=False)
class Choice:
    """One model that may serve an ask; its request is written, and bounded, when it is its turn."""

    ask: Ask
    offer: Offer
    candidate: Candidate
    mode: str

    @property
    def reason(self) -> str:
        """Why this model, in words."""
        return reason_for(self.ask.intent, self.candidate)

    @property
    def model(self) -> ModelEntry:
        """The model."""
        return self.offer.model

    @cached_property
    def route(self) -> Route:
        """The request as it would leave, and its bound; its provider may be asked to count.

        Raises:
            CostUnbounded: it holds something whose price has no limit.
        """
        data = WIRES[self.model.provider.protocol].write(
            self.ask, model=self.model.name, max_tokens=self.candidate.room
        )
        body = body_bytes(data)
        tariff = self.offer.tariff
        bound = bound_of_body(self.model, data=data, size_bytes=len(body), tariff=tariff, mode=self.mode)
        return Route(self.model, body, bound, self.reason, mode=self.mode, tariff=tariff)


def routes_for(ask: Ask) -> list[Choice]:
    """Return the models that may serve `ask`, first choice first; at least one. Source: R-02.8, R-02.9.

    Raises:
        NoCapableModel: nobody that is switched on can do this, or the prompt is too long for all.
        ReviewerUnavailable: only the author's provider could.
        PriceUnknown: who could has no price.
        BudgetExceeded: who could costs more than one call may.
    """
    here = shelf()
    terms = terms_of_call(ask.scopes, moment=here.now)
    ask = one_tier_down(ask, terms)
    size_bytes = size_of(ask)
    candidates = _capable(ask, here.offers, size_bytes)
    ordered = in_order(candidates, ask.intent)
    if not ordered:
        raise _refusal(ask, candidates)
    choices = [Choice(ask, c.of, c, here.mode) for c in ordered]
    caps = [cap for cap in (terms.call_cap_microusd, ask.intent.max_cost_microusd) if cap is not None]
    return _affordable(choices, min(caps, default=None), size_bytes)


def one_tier_down(ask: Ask, terms: Terms) -> Ask:
    """Return the ask one tier lower when most of its agent's day is spent; what is sensitive keeps its tier. Source: R-02.16."""
    if ask.intent.security_sensitive or ask.intent.local_only or terms.day_share < _MOST_OF_A_DAY:
        return ask
    return replace(ask, intent=replace(ask.intent, tier_steps=ask.intent.tier_steps - 1))


def size_of(ask: Ask) -> int:
    """Return about how many bytes a request for `ask` has, without writing it."""
    said = sum(
        len(message.text.encode("utf-8", "replace"))
        + sum(len(call.raw) + len(call.name) for call in message.tool_calls)
        for message in ask.messages
    )
    shapes = [dict(tool.schema) for tool in ask.tools] + ([ask.answer_schema] if ask.answer_schema else [])
    shown = sum(len(json.dumps(shape)) for shape in shapes) + sum(len(t.description) for t in ask.tools)
    return (
        len(ask.system.encode("utf-8", "replace")) + said + shown + _TEMPLATE_BYTES * (len(ask.messages) + 2)
    )


def _capable(ask: Ask, found: Iterable[Offer], size_bytes: int) -> list[Candidate]:
    needs = {name for name, is_needed in (("tools", ask.tools), ("json", ask.answer_schema)) if is_needed}
    return able(found, needs=needs, tokens=likely_tokens(size_bytes), max_tokens=ask.max_tokens)


def able(found: Iterable[Offer], *, needs: Set[str], tokens: int, max_tokens: int) -> list[Candidate]:
    """Return who of `found` can do what is needed, with a prompt and an answer of so many tokens."""
    health = health_now()
    down, first_ms = health.down, health.first_token_ms
    candidates = []
    for offer in found:
        provider, model, tier, window, pace, most = offer.facts
        if "embed" in offer.can:
            continue
        room = max_tokens if max_tokens < most else most
        likely = likely_microusd(tokens, room, offer.tariff) if offer.tariff else None
        name = offer.name
        candidates.append(
            Candidate(
                provider,
                model,
                tier,
                offer.can,
                window,
                likely,
                first_ms.get(name),
                pace,
                name in down,
                room,
                offer,
            )
        )
    return capable(candidates, needs=frozenset(needs), prompt_tokens=tokens)


def _refusal(ask: Ask, able: Sequence[Candidate]) -> Exception:
    others = [c for c in able if c.provider != ask.intent.not_provider]
    if able and not others:
        return ReviewerUnavailable(author=ask.intent.not_provider)
    if unpriced := [c.model for c in others if c.likely_microusd is None]:
        return PriceUnknown(models=", ".join(sorted(unpriced)))
    return NoCapableModel(quality=ask.intent.quality, security_sensitive=ask.intent.security_sensitive)


def _affordable(choices: list[Choice], cap: int | None, size_bytes: int) -> list[Choice]:
    """Leave out who costs more than one call may: the next one in line may do."""
    if cap is None:
        return choices
    fits = [choice for choice in choices if _fits(choice, cap, read=2 * size_bytes + 2_000)]
    if not fits:
        least = min(choice.route.bound_microusd for choice in choices)
        raise BudgetExceeded(layer="one call", needed=in_words(least), left=in_words(cap))
    return fits


def _fits(choice: Choice, cap_microusd: int, *, read: int) -> bool:
    """Say whether one call may cost so much; only where that is close is the request written and counted for it."""
    tariff, room = choice.offer.tariff, choice.candidate.room
    if tariff is None:
        return False
    reading, writing = tariff.dearest
    if read * reading + room * writing <= cap_microusd * _MTOK:
        return True
    if _least(tariff, room) > cap_microusd:
        return False
    return (
        bound_microusd(Most(read, room), tariff) <= cap_microusd
        or choice.route.bound_microusd <= cap_microusd
    )


def _least(tariff: Tariff, room: int) -> int:
    """Return what the answer alone may cost: below that no bound can be."""
    return bound_microusd(Most(0, room), tariff)
