"""Which model serves what: forty requests, and what switches, spent days and full lanes change."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agents.gateway import models
from agents.gateway.errors import LaneBusy, NoCapableModel
from agents.gateway.models import Call, ModelEntry, Price
from agents.gateway.ports import Ask, Intent, Patience
from agents.gateway.services import complete, health, sync_prices
from agents.gateway.services.routes import routes_for
from billing.errors import BudgetExceeded, SwitchSet
from billing.models import Hold, Scope, Window
from billing.services import clear_switch, place_hold, set_switch
from core.ids import new_id
from core.services import business_now, found_installation
from tests.agents.gateway.fake_provider import Play, Provider
from tests.builders import a_scope, an_ask

pytestmark = pytest.mark.django_db

HASTE = Patience(first_token_s=0.5, silence_s=0.5, total_s=5, budget_s=0.3, lane_s=0.3)
MORE: tuple[tuple[str, str, str, int, list[str], tuple[int, int]], ...] = (
    ("home", "coder", "local", 8_192, ["tools", "json"], (0, 0)), ("fast", "flash", "budget", 1_000_000, ["tools", "json"], (100_000, 400_000)),
    ("fast", "flash-2", "budget", 128_000, [], (50_000, 80_000)), ("gemini", "pro", "premium", 1_000_000, ["tools", "json", "vision"], (1_250_000, 10_000_000)),
)  # fmt: skip


@pytest.fixture
def shelf(db: None, table: Path) -> None:
    """A rehearsal with every tier on the shelf."""
    found_installation("rehearsal")
    sync_prices(table)
    for provider, name, tier, window, can, (read, written) in MORE:
        models.Provider.objects.get_or_create(
            name=provider, defaults={"protocol": "compatible", "base_url": "http://127.0.0.1:9"}
        )
        entry = ModelEntry.objects.create(
            provider_id=provider, name=name, tier=tier, window_tokens=window, max_output_tokens=8_000, capabilities=can, is_rehearsed=True,
        )  # fmt: skip
        Price.objects.create(
            model=entry, valid_from="2025-01-01", input_microusd=read, output_microusd=written, cached_microusd=read, cache_write_microusd=read,
        )  # fmt: skip


def chosen(ask: Ask) -> list[str]:
    """Return the names in the order in which they are tried."""
    return [choice.model.name for choice in routes_for(ask)]


LONG, LONGER = "word " * 60_000, "word " * 120_000
TOOL_LESS: dict[str, Any] = {}
SCHEMA = {"answer_schema": {"type": "object", "title": "A", "properties": {}}}
BEST, GOOD, FAIR = {"quality": "best"}, {"quality": "good"}, {"quality": "acceptable"}
SECRET, FOREIGN, HOME = {"security_sensitive": True}, {"untrusted_input": True}, {"local_only": True}

FORTY: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    (BEST, {}, "pro", "best: cheapest of premium, frontier"),
    (GOOD, {}, "gpt-5-mini", "good: cheapest of mid, premium"),
    (FAIR, {}, "coder", "acceptable: cheapest of local, budget"),
    ({**BEST, **SECRET}, {}, "gpt-5.2", "security sensitive: frontier only"),
    ({**FAIR, **SECRET}, {}, "gpt-5.2", "security sensitive: frontier only"),
    ({**GOOD, **SECRET}, SCHEMA, "gpt-5.2", "security sensitive: frontier only"),
    ({**FAIR, **FOREIGN}, {}, "gpt-5-mini", "acceptable: stands in for them"),
    ({**GOOD, **FOREIGN}, {}, "gpt-5-mini", "good: cheapest of mid, premium"),
    ({**BEST, **FOREIGN}, {}, "pro", "best: cheapest of premium, frontier"),
    (HOME, {}, "coder", "local only"),
    ({**HOME, **BEST}, {}, "coder", "local only"),
    ({**HOME, **SECRET}, {}, "coder", "local only"),
    ({**BEST, "prefer_provider": "anthropic"}, {}, "claude-sonnet-4-5", "best: cheapest of premium, frontier, anthropic preferred"),
    ({**GOOD, "prefer_provider": "anthropic"}, {}, "claude-haiku-4-5", "good: cheapest of mid, premium, anthropic preferred"),
    ({**FAIR, "prefer_provider": "anthropic"}, {}, "coder", "acceptable: cheapest of local, budget, anthropic preferred"),
    ({**BEST, "not_provider": "gemini"}, {}, "gpt-5.2", "best: cheapest of premium, frontier, not gemini"),
    ({**BEST, "not_provider": "openai"}, {}, "pro", "best: cheapest of premium, frontier, not openai"),
    ({**SECRET, "not_provider": "openai"}, {}, "claude-opus-4-6", "security sensitive: frontier only"),
    ({**GOOD, "not_provider": "openai"}, {}, "claude-haiku-4-5", "good: cheapest of mid, premium, not openai"),
    ({**BEST, "not_model": "gemini/pro"}, {}, "gpt-5.2", "best: cheapest of premium, frontier, not pro"),
    ({**SECRET, "not_model": "gpt-5.2"}, {}, "claude-opus-4-6", "security sensitive: frontier only"),
    ({**BEST, "tier_steps": 1}, {}, "gpt-5.2", "best +1: cheapest of frontier"),
    ({**GOOD, "tier_steps": 1}, {}, "pro", "good +1: cheapest of premium, frontier"),
    ({**FAIR, "tier_steps": 1}, {}, "flash-2", "acceptable +1: cheapest of budget, mid"),
    ({**BEST, "tier_steps": -1}, {}, "gpt-5-mini", "best -1: cheapest of mid, premium"),
    ({**GOOD, "tier_steps": -1}, {}, "flash-2", "good -1: cheapest of budget, mid"),
    ({**FAIR, "tier_steps": -9}, {}, "coder", "acceptable -9: cheapest of local"),
    ({**GOOD, "model": "anthropic/claude-opus-4-6"}, {}, "claude-opus-4-6", "chosen by the owner or Kev"),
    ({**FAIR, **SECRET, "model": "gemini/pro"}, {}, "gpt-5.2", "security sensitive: frontier only"),
    ({**FAIR, **FOREIGN, "model": "fast/flash"}, {}, "gpt-5-mini", "acceptable: stands in for them"),
    ({**GOOD, "model": "nobody/none"}, {}, "gpt-5-mini", "good: cheapest of mid, premium"),
    (BEST, {"text": LONG}, "pro", "best: cheapest of premium, frontier"),
    ({**BEST, "not_provider": "gemini"}, {"text": LONGER}, "flash", "best: stands in for them, not gemini"),
    (FAIR, {"text": LONGER}, "flash", "acceptable: cheapest of local, budget"),
    (FAIR, {**SCHEMA, "max_tokens": 7_000}, "coder", "acceptable: cheapest of local, budget"),
    (FAIR, {**SCHEMA, "max_tokens": 8_000}, "flash", "acceptable: cheapest of local, budget"),
    ({**FAIR, "max_cost_microusd": 0}, {}, "coder", "acceptable: cheapest of local, budget"),
    ({**GOOD, "max_cost_microusd": 1_000}, {}, "flash-2", "good: stands in for them"),
    ({**BEST, "speed": "instant"}, {}, "coder", "instant: fastest that is well"),
    ({**BEST, **FOREIGN, "speed": "fast"}, {}, "gpt-5-mini", "fast: fastest that is well"),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "asked", "model", "reason"), FORTY)
def test_forty_requests_go_where_the_table_says_twice_in_a_row(
    shelf: None, wanted: dict[str, Any], asked: dict[str, Any], model: str, reason: str
) -> None:
    given = dict(asked)
    ask = replace(
        an_ask(text=given.pop("text", "Think."), max_tokens=given.pop("max_tokens", 1_000)),
        intent=Intent(**wanted), **given,
    )  # fmt: skip

    first, again = routes_for(ask)[0], routes_for(ask)[0]

    assert (first.model.name, first.reason) == (again.model.name, again.reason) == (model, reason)


@pytest.mark.parametrize("cap", [0, 50, 90, 450, 2_600, 15_000, 40_000])
def test_who_may_cost_more_at_worst_than_a_call_may_is_left_out_and_nobody_else(
    shelf: None, cap: int
) -> None:
    ask = an_ask(text=LONG[:3_000], max_tokens=1_000, intent=Intent(quality="good"))
    bounds = {choice.model.name: choice.route.bound_microusd for choice in routes_for(ask)}

    left = chosen(replace(ask, intent=replace(ask.intent, max_cost_microusd=cap)))

    assert left == [name for name, bound in bounds.items() if bound <= cap]


def test_when_every_model_may_cost_more_the_least_is_named(shelf: None) -> None:
    ask = an_ask(intent=Intent(security_sensitive=True, max_cost_microusd=1))

    with pytest.raises(BudgetExceeded) as refused:
        routes_for(ask)

    assert refused.value.facts["layer"] == "one call"


def test_there_are_forty() -> None:
    assert len(FORTY) == 40


def test_a_sensitive_or_local_call_never_leaves_its_tier(shelf: None) -> None:
    secret, home = an_ask(intent=Intent(security_sensitive=True)), an_ask(intent=Intent(local_only=True))

    assert {choice.model.tier for choice in routes_for(secret)} == {"frontier"}
    assert {choice.model.tier for choice in routes_for(home)} == {"local"}
    ModelEntry.objects.filter(tier="local").update(is_enabled=False, changed_at=timezone.now())
    with pytest.raises(NoCapableModel):
        routes_for(home)


def test_a_choice_reads_the_rows_once_until_one_changes(
    shelf: None, django_assert_max_num_queries: Any
) -> None:
    ask = an_ask(intent=Intent(quality="best"))
    routes_for(ask)

    with django_assert_max_num_queries(6):
        before = chosen(ask)
    models.Provider.objects.filter(name="gemini").update(is_enabled=False)

    assert before[0] == "pro"
    assert "pro" not in chosen(ask)


def test_when_most_of_its_day_is_spent_an_agent_works_one_tier_lower_but_not_on_secrets(shelf: None) -> None:
    agent = a_scope(kind=Scope.Kind.AGENT, ref="Rex", day=1_000_000, call=1_000_000)
    ask = an_ask(scopes=(agent.id,), intent=Intent(quality="best"))
    secret = replace(ask, intent=Intent(security_sensitive=True))
    place_hold(scopes=[agent.id], bound_microusd=799_999, call_id=new_id())

    before = routes_for(ask)[0]
    place_hold(scopes=[agent.id], bound_microusd=1, call_id=new_id())
    after = routes_for(ask)[0]

    assert (before.model.tier, after.model.tier) == ("premium", "mid")
    assert after.reason == "best -1: cheapest of mid, premium"
    assert routes_for(secret)[0].model.tier == "frontier"
    assert Window.objects.at(business_now()).filter(scope=agent).exists()


def ask_now(ask: Ask) -> Any:
    """Complete `ask`."""
    return complete(ask, stop=threading.Event(), patience=HASTE)


def test_a_model_or_provider_that_is_switched_off_is_passed_over_and_a_switched_off_agent_is_refused(
    provider: Provider,
) -> None:
    agent = a_scope(kind=Scope.Kind.AGENT, ref="Rex")
    ask = an_ask(scopes=(agent.id,), intent=Intent(quality="best"))

    set_switch("model", "openai/gpt-5.2", by="owner:ada", reason="test")
    first = ask_now(ask).model
    set_switch("provider", "anthropic", by="owner:ada", reason="test")
    second = ask_now(ask).model
    set_switch("agent", "Rex", by="owner:ada", reason="test")
    with pytest.raises(SwitchSet):
        ask_now(ask)
    clear_switch("agent", "Rex", by="owner:ada")

    assert (first, second) == ("claude-sonnet-4-5", "gpt-5-mini")
    assert ask_now(ask).model == "gpt-5-mini"
    assert Call.objects.count() == len(provider.seen) == 3


class SwitchOff(threading.Event):
    """A stop that is never set; asked under way for the first time, it switches something off."""

    def __init__(self, provider: Provider, *switch: str) -> None:
        super().__init__()
        self._provider, self._switch = provider, switch

    def is_set(self) -> bool:
        """Say that nothing was stopped."""
        if self._provider.seen and self._switch:
            kind, ref = self._switch
            self._switch = ()
            set_switch(kind, ref, by="owner:ada", reason="test")
        return super().is_set()


def test_a_switch_cuts_the_stream_of_an_agent_and_what_it_may_have_cost_is_booked(provider: Provider) -> None:
    provider.plays = [Play(fault="stalled")]
    agent = a_scope(kind=Scope.Kind.AGENT, ref="Rex")
    ask = an_ask(scopes=(agent.id,), intent=Intent(quality="best"))

    with pytest.raises(SwitchSet):
        complete(ask, stop=SwitchOff(provider, "agent", "Rex"), patience=Patience())

    call = Call.objects.get()
    assert (call.status, call.fault, call.cost_microusd) == ("lost", "stopped", call.bound_microusd)
    assert not Hold.objects.open().exists()


def test_a_stream_of_a_provider_that_is_switched_off_is_cut_and_another_one_asked(provider: Provider) -> None:
    provider.plays = [Play(fault="stalled")]
    ask = an_ask(intent=Intent(quality="best"))

    reply = complete(ask, stop=SwitchOff(provider, "provider", "openai"), patience=Patience())

    assert reply.provider == "anthropic"
    assert [call.fault for call in Call.objects.order_by("started_at")] == ["stopped", ""]


def test_a_full_lane_is_waited_for_and_then_refused(provider: Provider) -> None:
    ask = an_ask(intent=Intent(quality="best"))
    ModelEntry.objects.filter(name="gpt-5.2").update(parallel=1, changed_at=timezone.now())
    ask_now(ask)
    Call.objects.update(status="open", cost_microusd=None, ended_at=None)

    with pytest.raises(LaneBusy):
        ask_now(ask)
    Call.objects.update(status="failed", cost_microusd=0, ended_at=timezone.now())

    assert ask_now(ask).model == "gpt-5.2"


def test_who_asked_to_wait_is_last_choice_until_then(provider: Provider) -> None:
    provider.plays = [Play(fault="429", headers=(("retry-after", "30"),))]
    ask = an_ask(intent=Intent(quality="best"))
    ask_now(ask)
    health.forget()

    assert chosen(ask)[-1] == "gpt-5.2"
    assert Call.objects.get(fault="rate_limited").retry_after_s == 30
    assert ask_now(ask).model == "claude-sonnet-4-5"


def test_an_answer_that_never_ends_is_cut_when_no_more_can_be_held_and_its_words_are_kept(
    provider: Provider,
) -> None:
    provider.plays = [Play(text="x" * 4_000)]
    task = a_scope(life=2_000)
    ask = an_ask(scopes=(task.id,), max_tokens=100, intent=Intent(quality="best"))

    reply = ask_now(ask)

    call = Call.objects.get()
    assert (reply.stop, call.status) == ("length", "lost")
    assert 1_600 < len(reply.text) < 1_700
    assert reply.cost_microusd == call.bound_microusd


def test_an_answer_that_is_longer_than_thought_goes_on_while_more_can_be_held(provider: Provider) -> None:
    provider.plays = [Play(text="x" * 4_000, usage={"prompt": 30, "completion": 300})]
    ask = an_ask(max_tokens=100, intent=Intent(quality="best"))

    reply = ask_now(ask)

    call = Call.objects.get()
    assert len(reply.text) == 4_000
    assert reply.cost_microusd == 30 * 175 // 100 + 1 + 300 * 14
    assert call.bound_microusd > reply.cost_microusd
    assert models.Provider.objects.get(name="openai").is_enabled
