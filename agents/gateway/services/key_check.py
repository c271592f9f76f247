"""One small call proves a key; only then is it kept."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.gateway.adapters import transport
from agents.gateway.adapters.catalog import list_offers
from agents.gateway.adapters.http import Line, converse
from agents.gateway.adapters.keyring import NO_KEY, key_of, reachable
from agents.gateway.errors import (
    KeyMissing,
    KeyRefused,
    MakerBusy,
    MakerSilent,
    OnlyRehearsed,
    ProviderFault,
)
from agents.gateway.models import OWN_MACHINE, ModelEntry, Price, Provider
from agents.gateway.ports import Ask, Intent, Message, Patience, Reply
from agents.gateway.rules.money import FREE, Tariff
from agents.gateway.rules.offers import MOST_MODELS, Offer, names_offered, read_address, read_maker_name
from agents.gateway.services.bounds import bound_of_body
from agents.gateway.services.catalogue import tariffs_on
from agents.gateway.services.keys import read_key, set_key
from agents.gateway.services.makers import draft_maker, keep_offers, own_model, settle_maker
from agents.gateway.services.prices import start_provider
from agents.gateway.services.records import close_answered, close_failed, open_call
from agents.gateway.services.routes import Route
from billing.adapters.limits import table_row
from core.errors import FactoryError, NotFound
from core.ids import new_id
from core.models import Mode
from core.money import to_usd
from core.services import audit, business_now, current_mode, is_stopped

logger = logging.getLogger(__name__)

WHO = "key check"
_QUESTION = "Answer with the one word: ready"
_ROOM_TOKENS = 16
_READ_TOKENS = 64
"""About what the question is, to see whose answer costs least."""
_PATIENCE = Patience(first_token_s=20, silence_s=10, total_s=30)


@dataclass(frozen=True)
class Proof:
    """What a check found.

    Attributes:
        model: who was asked; empty: nobody, because no model of this key has a price.
        cost_microusd: what the call cost; 0 when nobody was asked.
        said: the answer, shortened.
        too_dear: the cheapest model, where even its word could cost more than the table of limits gives it; nobody was asked then.
        offered: how many models the maker's own list holds; None: it gives none out.
    """

    provider: str
    offered: int | None
    model: str = ""
    said: str = ""
    cost_microusd: int = 0
    call_id: UUID | None = None
    too_dear: str = ""

    @property
    def words(self) -> str:
        """What was done to prove it and what that showed."""
        whole = f"The key of {self.provider}"
        if self.model:
            cost = to_usd(self.cost_microusd).quantize(Decimal("0.000001"))
            return f"{whole} works. {self.model} answered “{self.said}” for ${cost}."
        listed = (
            "works. Its list was read"
            if self.offered is not None
            else "is kept, not proved. It gives out no list"
        )
        return f"{whole} {listed}; nobody was called, for {self._why_not}."

    @property
    def _why_not(self) -> str:
        if not self.too_dear:
            return "none of its models has a price"
        return f"a word of its cheapest model, {self.too_dear}, could cost more than ${to_usd(_most_microusd()):f}"


def prove_key(provider: str, key: str | None = None, *, by: str) -> Proof:
    """Ask the maker for its models and one of them for a word; a `key` that works is kept in place of an earlier one.

    Where even the cheapest could cost more than $0.001 for a word, the list alone proves it. The call is held, booked and written down like any other, as `key_check`. Call it outside of any transaction.

    Args:
        provider: who.
        key: a new key; None: the one it has.
        by: who wants to know.

    Raises:
        OnlyRehearsed: here nothing is real.
        NotFound, KeyMissing, KeyUnusable, KeyFromEnvironment: there is nothing to check.
        KeyRefused, MakerBusy, MakerSilent, ListUnreadable: it does not work; nothing was kept.
        BudgetExceeded: not even this call fits today's limit; nothing was kept.
    """
    _needs_real()
    maker = Provider.objects.filter(name=provider).first()
    if maker is None:
        raise NotFound(provider=provider)
    fresh = None if key is None else read_key(key)
    used = fresh or key_of(provider)
    if used is None:
        raise KeyMissing(provider=provider)
    return _prove(maker, used, fresh=fresh, by=by)


def prove_address(name: str, base_url: str, key: str | None = None, *, by: str) -> Proof:
    """Add an address that speaks the OpenAI protocol, with its key or, on an own machine, without one; or move it there.

    Raises:
        AddressUnusable: it cannot be one, or the name stands in the price table.
        FactoryError: as `prove_key`; an address that never answered, or whose proof failed, is not kept either.
    """
    _needs_real()
    name, base_url = read_maker_name(name), read_address(base_url)
    fresh = read_key(key) if key else None
    trial = Provider(name=name, protocol=Provider.Protocol.OPENAI, base_url=base_url)
    _offers(trial, fresh or NO_KEY)  # before anything is written
    maker = draft_maker(name, base_url=base_url, needs_key=fresh is not None, by=by)
    return _prove(maker, fresh or NO_KEY, fresh=fresh, by=by, is_placed=True)


def read_lists() -> int:
    """Read anew which models each key in reach has, and return how many lists were read; no model is called.

    A list that cannot be read, or is empty, leaves what was known. Safe to run twice.
    """
    if current_mode() != Mode.REAL or is_stopped():
        return 0
    makers = Provider.objects.filter(name__in=reachable(mode=Mode.REAL), is_enabled=True)
    return sum(_read_list(maker) for maker in makers.exclude(protocol=Provider.Protocol.LITELLM))


def _read_list(maker: Provider) -> bool:
    try:
        key = key_of(maker.name)
        offers = None if key is None else _offers(maker, key)[0]
    except FactoryError as refusal:
        logger.info("gateway.list_unread", extra={"maker": maker.name, "code": refusal.code})
        return False
    if offers:
        keep_offers(maker, offers)
    return bool(offers)


def _needs_real() -> None:
    if current_mode() != Mode.REAL:
        raise OnlyRehearsed


def _prove(maker: Provider, key: str, *, fresh: str | None, by: str, is_placed: bool = False) -> Proof:
    """Prove the key and keep it; `is_placed`: `maker` says where it stands from now on."""
    offers, line = _offers(maker, key)
    trial = _trial(maker, offers, line)
    is_dear = trial is not None and trial.route.bound_microusd > _most_microusd()
    reply = _carry_out(trial) if trial and not is_dear else None
    proof = _proof(maker, offers, trial, reply)
    with transaction.atomic():
        if is_placed:
            settle_maker(maker, by=by)
        if fresh is not None:
            set_key(maker.name, fresh, by=by)
        _note(maker, offers, proof, by=by)
    return proof


def _proof(
    maker: Provider, offers: Sequence[Offer] | None, trial: "_Trial | None", reply: Reply | None
) -> Proof:
    count = None if offers is None else len(offers)
    if trial is None:
        return Proof(maker.name, count)
    model = trial.route.model.name
    if reply is None:
        return Proof(maker.name, count, too_dear=model)
    return Proof(maker.name, count, model, reply.text[:200], reply.cost_microusd, reply.call_id)


def _note(maker: Provider, offers: Sequence[Offer] | None, proof: Proof, *, by: str) -> None:
    """Write down what the check found; a maker that a person added is called from now on."""
    if offers is not None:
        keep_offers(maker, offers)
    if proof.model:
        Provider.objects.filter(pk=maker.pk).update(proved_at=timezone.now())
    if maker.added_by:
        start_provider(maker.name, by=by)
    audit(
        actor=by, verb="gateway.prove_key", subject=maker.name, offered=proof.offered, model=proof.model,
        cost_microusd=proof.cost_microusd,
    )  # fmt: skip


def _offers(maker: Provider, key: str) -> tuple[tuple[Offer, ...] | None, Line]:
    """The maker's own list, None where LiteLLM speaks to it, which knows no lists; and how it is reached."""
    line = transport.line_to(maker, mode=Mode.REAL, key=key)
    if maker.protocol == Provider.Protocol.LITELLM:
        return None, line
    return list_offers(transport.WIRES[maker.protocol], line)[:MOST_MODELS], line


@dataclass(frozen=True)
class _Trial:
    """One small call that would prove a key: what is asked, of whom, over which line."""

    ask: Ask
    route: Route
    line: Line


def _trial(maker: Provider, offers: Sequence[Offer] | None, line: Line) -> _Trial | None:
    """The call that costs least; None: nobody can be asked."""
    found = _cheapest(maker, offers)
    if found is None:
        return None
    entry, tariff = found
    ask = Ask(
        agent=WHO,
        assignment_id=new_id(),
        scopes=(),
        system="",
        messages=(Message("user", _QUESTION),),
        max_tokens=_ROOM_TOKENS,
        intent=Intent(task_type="key_check"),
    )
    shape = transport.WIRES[maker.protocol].write(ask, model=entry.name, max_tokens=_ROOM_TOKENS)
    body = json.dumps(shape, separators=(",", ":")).encode()
    bound = bound_of_body(entry, data=shape, size_bytes=len(body), tariff=tariff, line=line)
    return _Trial(ask, Route(entry, body, bound, "key check", mode=current_mode(), tariff=tariff), line)


def _cheapest(maker: Provider, offers: Sequence[Offer] | None) -> tuple[ModelEntry, Tariff] | None:
    """The model whose small answer costs least, of those that write, that this key has and that have a price.

    An own machine's models cost nothing by being there; once it is to take a key, that says nothing any more.
    """
    prices = tariffs_on(business_now().date())
    names = None if offers is None else names_offered(offer.name for offer in offers)
    entries = ModelEntry.objects.filter(provider=maker.name, is_enabled=True).select_related("provider")
    if maker.needs_key:
        entries = entries.filter(pk__in=Price.objects.exclude(entered_by=OWN_MACHINE).values("model_id"))
    may_be = [
        (one, prices[one.pk])
        for one in entries
        if one.pk in prices and (names is None or one.name in names) and "embed" not in one.capabilities
    ]
    if offers and not maker.needs_key and not may_be:
        may_be = [(own_model(maker, min(offers, key=lambda one: one.name)), FREE)]
    return min(may_be, key=_costs, default=None)


def _costs(priced: tuple[ModelEntry, Tariff]) -> tuple[int, str]:
    entry, tariff = priced
    return _ROOM_TOKENS * tariff.output + _READ_TOKENS * tariff.input, entry.name


def _carry_out(trial: _Trial) -> Reply:
    """Return one word: held before it leaves, settled once, written down."""
    wire = transport.WIRES[trial.route.model.provider.protocol]
    call = open_call(trial.ask, trial.route, fallback_from=None)
    try:
        said = converse(wire, trial.line, trial.route.body, is_cut=lambda: False, patience=_PATIENCE)
    except ProviderFault as fault:
        close_failed(call, fault)
        raise _in_plain_words(fault, trial.line) from None
    return close_answered(call, said)


def _in_plain_words(fault: ProviderFault, line: Line) -> FactoryError:
    """Say what the owner can do about a check that failed."""
    match fault.kind:
        case "refused_us":
            return KeyRefused(said=fault.words)
        case "rate_limited":
            return MakerBusy(**({"seconds": fault.retry_after_s} if fault.retry_after_s else {}))
        case _:
            return MakerSilent(address=line.base_url, why=fault.words or fault.kind)


def _most_microusd() -> int:
    """What the word that proves a key may cost; a key with none but dearer models is proved by their list."""
    return table_row("key_check")["call"]
