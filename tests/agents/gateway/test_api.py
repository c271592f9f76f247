"""Prices and budgets over REST."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.gateway.models import Price, Provider
from agents.gateway.services import sync_prices
from billing.models import Period, Scope, Window
from billing.services import open_scope, place_hold, set_limit, set_switch
from core.ids import new_id
from core.services import found_installation
from tests.builders import a_user, an_agent
from tests.callers import asked, call, device_of

pytestmark = pytest.mark.django_db
OF_A_NEW_MODEL: dict[str, Any] = {
    "maker": "openai", "model": "gpt-99", "input_microusd": 1_250_000, "output_microusd": 10_000_001, "tier": "premium",
}  # fmt: skip


@pytest.fixture
def owner() -> Client:
    """The owner's phone."""
    found_installation("rehearsal")
    return device_of(a_user())


def test_an_owner_enters_the_price_of_a_model_the_table_does_not_know_and_never_changes_a_row(
    owner: Client,
) -> None:
    sync_prices()
    offered = [{"name": "gpt-99", "window_tokens": 100_000}, {"name": "gpt-5.2", "window_tokens": None}]
    Provider.objects.filter(name="openai").update(offered=offered)

    made = call(owner, "prices", **OF_A_NEW_MODEL)
    known = call(owner, "prices", **{**OF_A_NEW_MODEL, "model": "gpt-5.2"})
    again = call(
        owner, "prices", **{**OF_A_NEW_MODEL, "input_microusd": 2, "window_tokens": 90_000, "max_output_tokens": 9_000}
    )  # fmt: skip
    unknown = call(owner, "prices", **{**OF_A_NEW_MODEL, "model": "gpt-98"})

    assert made.status_code == 201, made.content
    shown = asked(owner, f"prices/{made.json()['id']}")
    assert (shown["maker"], shown["name"], shown["input_microusd"], shown["output_microusd"]) == (
        "openai", "gpt-99", 1_250_000, 10_000_001,
    )  # fmt: skip
    both = asked(owner, "prices?model__name=gpt-99")["results"]
    assert {one["id"]: one["input_microusd"] for one in both} == {
        shown["id"]: 1_250_000,
        again.json()["id"]: 2,
    }
    model = asked(owner, "models?name=gpt-99")["results"][0]
    assert [one["input_microusd"] for one in model["prices"]] == [2, 1_250_000]
    assert (model["window_tokens"], model["max_output_tokens"]) == (90_000, 9_000)
    assert (known.status_code, known.json()["code"]) == (409, "PRICE_KNOWN")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("amount", [-1, 10**11, 1.5, "many", None])
def test_an_amount_that_cannot_be_a_price_is_refused(owner: Client, amount: Any) -> None:
    sync_prices()
    before = Price.objects.count()

    refused = call(owner, "prices", **{**OF_A_NEW_MODEL, "output_microusd": amount})

    assert (refused.status_code, Price.objects.count()) == (400, before)


def test_a_budget_tells_every_limit_the_agent_counts_in_and_reading_it_opens_none(owner: Client) -> None:
    agent = an_agent("Rex")
    team = open_scope(kind="team", ref="build", label="Build team")
    Scope.objects.filter(pk=agent.scope_id).update(parent=team)
    set_limit(agent.scope, period=Period.DAY, cap_microusd=1_000)
    before = asked(owner, "budget/Rex")
    opened = Window.objects.count()
    place_hold(scopes=[agent.scope_id], bound_microusd=400, call_id=new_id())

    after = asked(owner, "budget/rex")

    assert opened == 0
    assert {(one["scope"], one["period"]) for one in before["limits"]} >= {
        (str(agent.scope_id), "day"), (str(agent.scope_id), "call"), (str(team.pk), "day"),
    }  # fmt: skip
    own = next(
        one for one in after["limits"] if (one["scope"], one["period"]) == (str(agent.scope_id), "day")
    )
    assert (own["cap_microusd"], own["held_microusd"], own["left_microusd"]) == (1_000, 400, 600)
    assert {one["whose"] for one in after["limits"]} >= {"Factory", "Build team"}
    assert [one["left_microusd"] for one in after["limits"]] == sorted(
        one["left_microusd"] for one in after["limits"]
    )
    assert (after["is_off"], after["off_because"]) == (False, "")


def test_a_budget_says_what_stands_against_the_agents_next_call(owner: Client) -> None:
    an_agent("Rex")
    set_switch("agent", "Rex", by="owner:ada", reason="too dear", until=timezone.now() + timedelta(hours=1))

    told = asked(owner, "budget/Rex")

    assert (told["is_off"], told["off_because"]) == (True, "too dear")


def test_nobody_has_the_budget_of_a_stranger(owner: Client) -> None:
    assert owner.get("/api/v1/budget/Nobody/").status_code == 404
