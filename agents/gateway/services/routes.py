"""Turn what is wanted into models to try, in order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from agents.gateway.adapters.keyring import reachable
from agents.gateway.adapters.transport import WIRES
from agents.gateway.errors import NoCapableModel, PriceUnknown, ReviewerUnavailable
from agents.gateway.models import ModelEntry, Price
from agents.gateway.ports import Ask
from agents.gateway.rules.money import Tariff, bound_microusd, likely_tokens
from agents.gateway.rules.route import Candidate, capable, in_order, reason_for
from billing.errors import BudgetExceeded
from billing.services import call_cap
from core.models import Mode
from core.money import in_words
from core.services import business_now, current_mode


@dataclass(frozen=True)
class Route:
    """One model to try: the bytes that would be sent, and what that costs at most."""

    model: ModelEntry
    body: bytes
    bound_microusd: int
    reason: str


@dataclass(frozen=True)
class _Option:
    """One switched-on model and the request written for it."""

    model: ModelEntry
    body: bytes
    max_tokens: int
    tariff: Tariff | None

    @property
    def candidate(self) -> Candidate:
        """This model as the table of routes sees it."""
        bound = None
        if self.tariff is not None:
            bound = bound_microusd(body_bytes=len(self.body), max_tokens=self.max_tokens, tariff=self.tariff)
        return Candidate(
            provider=self.model.provider_id,
            model=self.model.name,
            tier=self.model.tier,
            can=frozenset(self.model.capabilities),
            window_tokens=self.model.window_tokens,
            bound_microusd=bound,
        )


def routes_for(ask: Ask) -> list[Route]:
    """Return the models that may serve `ask`, first choice first; at least one. Source: R-02.8, R-02.9.

    Raises:
        NoCapableModel: nobody that is switched on can do this, or the prompt is too long for all.
        ReviewerUnavailable: only the author's provider could.
        PriceUnknown: who could has no price.
        BudgetExceeded: who could costs more than one call may.
    """
    options = {(o.model.provider_id, o.model.name): o for o in _options(ask)}
    able = _capable(ask, list(options.values()))
    ordered = in_order(able, ask.intent)
    if not ordered:
        raise _refusal(ask, able)
    affordable = _affordable(ask, ordered)
    return [
        Route(options[(c.provider, c.model)].model, options[(c.provider, c.model)].body, bound, reason)
        for c in affordable
        for bound, reason in [(c.bound_microusd or 0, reason_for(ask.intent, c))]
    ]


def _options(ask: Ask) -> list[_Option]:
    mode, today = current_mode(), business_now().date()
    entries = ModelEntry.objects.filter(provider__is_enabled=True).select_related("provider")
    tariffs, in_reach = tariffs_on(today), reachable(mode=mode)
    return [
        _Option(entry, _body(ask, entry), _room(ask, entry), tariffs.get(entry.id))
        for entry in entries
        if entry.provider_id in in_reach and (mode == Mode.REHEARSAL or entry.provider.has(entry.name))
    ]


def tariffs_on(day: date) -> dict[int, Tariff]:
    """Return the tariff of every model that has one on `day`, by the model's id."""
    oldest_first = Price.objects.on(day).reverse()
    return {price.model_id: price.tariff for price in oldest_first}


def _room(ask: Ask, entry: ModelEntry) -> int:
    return min(ask.max_tokens, entry.max_output_tokens)


def _body(ask: Ask, entry: ModelEntry) -> bytes:
    wire = WIRES[entry.provider.protocol]
    body = wire.write(ask, model=entry.name, max_tokens=_room(ask, entry))
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _capable(ask: Ask, options: Sequence[_Option]) -> list[Candidate]:
    needs = frozenset(
        name for name, is_needed in (("tools", ask.tools), ("json", ask.answer_schema)) if is_needed
    )
    return [
        candidate
        for option in options
        for candidate in capable(
            [option.candidate],
            needs=needs,
            prompt_tokens=likely_tokens(len(option.body)),
            max_tokens=option.max_tokens,
        )
    ]


def _refusal(ask: Ask, able: Sequence[Candidate]) -> Exception:
    others = [c for c in able if c.provider != ask.intent.not_provider]
    if able and not others:
        return ReviewerUnavailable(author=ask.intent.not_provider)
    if unpriced := [c.model for c in others if c.bound_microusd is None]:
        return PriceUnknown(models=", ".join(sorted(unpriced)))
    return NoCapableModel(quality=ask.intent.quality, security_sensitive=ask.intent.security_sensitive)


def _affordable(ask: Ask, ordered: Sequence[Candidate]) -> list[Candidate]:
    """Leave out who costs more than one call may: the next one in line may do."""
    cap = call_cap(ask.scopes)
    fits = [c for c in ordered if cap is None or (c.bound_microusd or 0) <= cap]
    if not fits:
        least = min(c.bound_microusd or 0 for c in ordered)
        raise BudgetExceeded(layer="one call", needed=in_words(least), left=in_words(cap))
    return fits
