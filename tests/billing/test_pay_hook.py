"""The public door for payments: signed, fresh, once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.adapters.pay_secret import pay_secret
from billing.models import RevenueEvent, Scope
from billing.rules import sign
from core.ids import correlation, new_id
from core.models import Event
from core.services import advance_to, found_installation
from tests.builders import a_scope

pytestmark = pytest.mark.django_db


def send(
    *, age_s: int = 0, secret: str = "", signature: str | None = None, **message: Any
) -> tuple[int, Any]:
    """Post one message of the processor and return status and answer."""
    told = {
        "id": "evt_1",
        "type": "payment",
        "amount": 1900,
        "currency": "usd",
        "product": "linkly",
        **message,
    }
    body = json.dumps({name: value for name, value in told.items() if value is not None}).encode()
    at = int(timezone.now().timestamp()) - age_s
    header = sign(body, secret=secret or pay_secret(), at=at) if signature is None else signature
    answer = Client(enforce_csrf_checks=True).post(
        "/hooks/pay/", body, content_type="application/json", headers={"X-Pay-Signature": header}
    )
    return answer.status_code, answer.json()


def profit(scope: Scope) -> int:
    """Return what the rows of `scope` add to profit."""
    return RevenueEvent.objects.filter(scope=scope).total_microusd()


def test_a_signed_payment_adds_its_amount_minus_its_fee() -> None:
    linkly = a_scope(kind="product", ref="linkly")

    status, kept = send(fee=85)

    assert (status, kept) == (200, {"kept": ["evt_1", "evt_1:fee"]})
    assert profit(linkly) == 19_000_000 - 850_000


def test_a_fee_the_processor_does_not_tell_is_estimated_and_marked() -> None:
    linkly = a_scope(kind="product", ref="linkly")

    send()
    send(id="evt_2", type="fee", amount=99, payment="evt_1")

    assert profit(linkly) == 19_000_000 - 860_000
    assert RevenueEvent.objects.get(kind="fee").facts == {"is_estimate": True}


def test_a_repeated_message_is_one_row_and_one_fact() -> None:
    linkly = a_scope(kind="product", ref="linkly")
    send(fee=85)

    status, _ = send(fee=85)

    assert status == 200
    assert profit(linkly) == 18_150_000
    assert Event.objects.filter(kind="billing.revenue_recorded").count() == 2


def test_refunds_and_disputes_may_come_first_and_lower_profit() -> None:
    linkly = a_scope(kind="product", ref="linkly")

    send(id="evt_9", type="refund", amount=1900)
    send(fee=85)

    assert profit(linkly) == -850_000


@pytest.mark.parametrize("signature", ["", "t=1", "t=x,v1=y", "t=1,v1=ü", "v1=", "t=9" * 40])
def test_an_unsigned_message_is_refused_and_leaves_nothing(signature: str) -> None:
    a_scope(kind="product", ref="linkly")

    status, told = send(signature=signature)

    assert (status, told["code"]) == (401, "SIGNATURE_BAD")
    assert not RevenueEvent.objects.exists()


def test_another_secret_is_refused() -> None:
    status, _ = send(secret="guessed")  # noqa: S106

    assert status == 401


def test_a_message_signed_long_ago_or_in_the_future_is_refused() -> None:
    a_scope(kind="product", ref="linkly")

    old, _ = send(age_s=302)
    early, _ = send(age_s=-302)
    fresh, _ = send(age_s=295)

    assert (old, early, fresh) == (400, 400, 200)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": None}, {"id": ""}, {"id": "x" * 101}, {"amount": -1}, {"amount": 1.5}, {"amount": "19"}, {"amount": None},
        {"amount": True}, {"amount": 10**11}, {"currency": 7}, {"fee": -1}, {"created": "now"}, {"payment": 7}, {"product": ["linkly"]},
    ],
)  # fmt: skip
def test_an_unreadable_message_is_refused_and_leaves_nothing(wrong: dict[str, Any]) -> None:
    a_scope(kind="product", ref="linkly")

    status, told = send(**wrong)

    assert (status, told["code"]) == (400, "PAYMENT_UNREADABLE")
    assert not RevenueEvent.objects.exists()


def test_a_currency_without_a_rate_is_refused_whole() -> None:
    status, _ = send(currency="nzd")

    assert status == 422
    assert not RevenueEvent.objects.exists()


def test_an_event_of_an_unknown_type_is_kept_and_counts_nothing() -> None:
    linkly = a_scope(kind="product", ref="linkly")

    status, _ = send(type="payout")

    assert status == 200
    assert RevenueEvent.objects.get().facts == {"said_kind": "payout"}
    assert profit(linkly) == 0


def test_money_of_an_unknown_product_is_kept_for_the_owner_to_place() -> None:
    status, _ = send(product="nobody", fee=85)

    assert status == 200
    assert RevenueEvent.objects.unplaced().total_microusd() == 18_150_000
    assert RevenueEvent.objects.unplaced().first().facts["unplaced"] == "nobody"  # type: ignore[union-attr]


def test_a_payment_belongs_to_its_products_story_and_to_business_time() -> None:
    found_installation("rehearsal")
    advance_to(datetime(2027, 3, 1, 12, tzinfo=UTC))
    story = new_id()
    token = correlation.set(story)
    a_scope(kind="product", ref="linkly")
    correlation.reset(token)

    send(fee=85, created=int((timezone.now() - timedelta(hours=1)).timestamp()))

    event = RevenueEvent.objects.get(kind="payment")
    assert event.correlation_id == story
    assert abs(event.at - datetime(2027, 3, 1, 11, tzinfo=UTC)) < timedelta(seconds=30)
    assert set(Event.objects.filter(kind__startswith="billing.rev").values_list("correlation_id")) == {
        (story,)
    }


def test_the_door_takes_posts_only_and_asks_nobody_to_sign_in() -> None:
    assert Client().get("/hooks/pay/").status_code == 405


def test_the_secret_is_made_once_and_readable_by_its_owner_alone(settings: Any, tmp_path: Any) -> None:
    settings.HOME = tmp_path

    first, again = pay_secret(), pay_secret()

    assert first == again
    assert len(first) > 40
    assert (tmp_path / "pay_secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["pay_secret"]
