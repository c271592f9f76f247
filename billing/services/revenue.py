"""Write down what a payment processor told us, once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from billing.adapters.pay_secret import pay_secret
from billing.errors import PaymentUnreadable
from billing.models import RevenueEvent, Scope
from billing.rules import check_signature, signed_microusd, standard_fee_minor
from billing.services.scopes import factory_scope
from core.ids import story_of
from core.services import business_now, current_mode, publish

PROVIDER = "testpay"


@transaction.atomic
def record_revenue(  # noqa: PLR0913 (the columns of one row)
    scope: Scope,
    *,
    provider: str,
    provider_event_id: str,
    kind: str,
    amount_minor: int,
    currency: str = "usd",
    at: datetime | None = None,
    facts: Mapping[str, Any] | None = None,
) -> RevenueEvent:
    """Write one event of a processor into the scope's story; a repeat returns the first row and changes nothing.

    A kind outside `RevenueEvent.Kind` is kept as not understood and counts nothing (R-18.6). `amount_minor` is in
    cents, never negative: the kind carries the sign. `at` is business time; None: now.

    Raises:
        CurrencyUnknown: its value in dollars is not known; nothing was written.
    """
    known = kind if kind in RevenueEvent.Kind.values else RevenueEvent.Kind.UNKNOWN
    event, is_new = RevenueEvent.objects.get_or_create(
        provider=provider,
        provider_event_id=provider_event_id,
        defaults={
            "scope": scope,
            "kind": known,
            "amount_minor": amount_minor,
            "currency": currency.lower(),
            "amount_microusd": signed_microusd(known, amount_minor=amount_minor, currency=currency),
            "at": at or business_now(),
            "correlation_id": scope.correlation_id,
            "mode": current_mode(),
            "facts": {**(facts or {}), **({} if known == kind else {"said_kind": kind})},
        },
    )
    if is_new:
        _tell(event)
    return event


def _tell(event: RevenueEvent) -> None:
    with story_of(event.correlation_id):
        publish(
            "billing.revenue_recorded",
            revenue_id=str(event.id),
            scope_id=str(event.scope_id),
            amount_microusd=event.amount_microusd,
        )


@transaction.atomic
def receive_payment(body: bytes, *, signature: str) -> list[RevenueEvent]:
    """Check and write one signed message of the test processor; a repeat changes nothing.

    The message is JSON: `id`, `type` (payment, refund, dispute, fee), `amount` in cents, `currency`, `product` (the
    product's name in its address), and if wanted `created` (Unix second), `fee` in cents, `payment` (the id a fee
    belongs to). A payment brings its fee with it; when the processor does not say how much, the standard fee counts,
    marked as an estimate, so that no profit is shown too high.

    Raises:
        SignatureBad, SignatureOld: not from the processor, or not from now; nothing was written.
        PaymentUnreadable: a field is missing or wrong; nothing was written.
        CurrencyUnknown: not in US dollars; nothing was written.
    """
    signed_at = check_signature(signature, body=body, secret=pay_secret(), now=timezone.now().timestamp())
    told = _read(body)
    age = timezone.now() - datetime.fromtimestamp(min(told.created or signed_at, signed_at), tz=UTC)
    at = business_now() - age
    rows = [told.event(told.key, told.kind, told.amount, at=at)]
    if told.kind == RevenueEvent.Kind.PAYMENT:
        said = {} if told.fee is not None else {"is_estimate": True}
        fee = standard_fee_minor(told.amount) if told.fee is None else told.fee
        rows.append(told.event(f"{told.id}:fee", RevenueEvent.Kind.FEE, fee, at=at, **said))
    return rows


@dataclass(frozen=True)
class _Told:
    """One message, read."""

    id: str
    kind: str
    amount: int
    currency: str
    product: str
    created: int | None
    fee: int | None
    payment: str

    @property
    def key(self) -> str:
        """Its name here: the fee of a payment has one name, whichever message brings it."""
        return f"{self.payment}:fee" if self.kind == RevenueEvent.Kind.FEE and self.payment else self.id

    def event(self, key: str, kind: str, amount: int, *, at: datetime, **facts: object) -> RevenueEvent:
        """Write one row of it; money of a product we do not know stays with the factory. Source: U-26."""
        scope = Scope.objects.filter(kind=Scope.Kind.PRODUCT, ref=self.product).first()
        if scope is None:
            facts["unplaced"] = self.product
        return record_revenue(
            scope or factory_scope(),
            provider=PROVIDER,
            provider_event_id=key,
            kind=kind,
            amount_minor=amount,
            currency=self.currency,
            at=at,
            facts=facts,
        )


def _read(body: bytes) -> _Told:
    try:
        data = json.loads(body)
        told = _Told(
            id=data["id"],
            kind=data["type"],
            amount=data["amount"],
            currency=data["currency"],
            product=data["product"],
            created=data.get("created"),
            fee=data.get("fee"),
            payment=data.get("payment", ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise PaymentUnreadable(problem=f"{type(problem).__name__} {problem}"[:120]) from problem
    for fault in _faults(told):
        raise PaymentUnreadable(problem=fault)
    return told


def _faults(told: _Told) -> list[str]:
    texts = {"id": told.id, "type": told.kind, "currency": told.currency, "product": told.product}
    wrong = [name for name, text in texts.items() if not (isinstance(text, str) and 0 < len(text) <= 100)]
    counts = {"amount": told.amount, "fee": told.fee, "created": told.created}
    wrong += [name for name, n in counts.items() if n is not None and not _is_count(n)]
    wrong += [] if isinstance(told.payment, str) and len(told.payment) <= 100 else ["payment"]
    wrong += ["amount"] if told.amount is None else []
    return [f"{name} is missing or wrong" for name in wrong]


def _is_count(number: object) -> bool:
    return type(number) is int and 0 <= number < 10**11
