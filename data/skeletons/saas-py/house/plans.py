"""What an owner has paid for, and how much that holds."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from house import events
from house.models import Notice, Payment

TEST_CARD = "4242424242424242"


@dataclass(frozen=True)
class Plan:
    """One line of `product/plans.json`."""

    plan: str
    usd_month: int
    limit: int
    history_days: int


class CardRefused(Exception):
    """The card was refused; nothing was paid."""


def all_plans() -> list[Plan]:
    """Every plan, the one of the free trial first."""
    return [Plan(**line) for line in settings.PLANS]


def plan_of(owner: Any) -> Plan:
    """The plan `owner` paid for last; before that, the first as a free trial."""
    paid = Payment.objects.filter(owner=owner).order_by("-id").first()
    known = all_plans()
    return next((plan for plan in known if paid and plan.plan == paid.plan), known[0])


def limit_of(owner: Any) -> int:
    """How many units `owner` may keep."""
    return plan_of(owner).limit


def room_for(owner: Any, used: int) -> bool:
    """True when one more fits beside the `used` ones; ask in the transaction that adds it."""
    return used < limit_of(owner)


@transaction.atomic
def pay(owner: Any, plan: Plan, *, card: str) -> None:
    """Pay a month of `plan` in test mode; a plan the owner has paid for is never paid twice in a row.

    Raises:
        CardRefused: it is not the test card.
    """
    last = Payment.objects.filter(owner=owner).order_by("-id").first()
    if last and last.plan == plan.plan:
        return
    if "".join(card.split()) != TEST_CARD:
        raise CardRefused
    before = plan_of(owner)
    Payment.objects.create(owner=owner, plan=plan.plan, amount_cents=plan.usd_month * 100)
    events.record("payment", owner, plan=plan.plan, amount_cents=plan.usd_month * 100)
    if plan.usd_month > before.usd_month:
        events.record("upgrade", owner, plan=plan.plan)
    text = f"You paid ${plan.usd_month} for one month of {plan.plan}. This was a test: no money moved."
    Notice.send(owner, subject=f"Receipt for {plan.plan}", text=text)
