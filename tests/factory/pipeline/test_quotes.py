"""What a build is expected to cost: a range from builds that ended, else from tokens; kept, and held against what it did cost."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from agents.gateway.models import Call, ModelEntry, Price, Provider
from agents.gateway.services import sync_prices
from agents.gateway.services.catalogue import forget
from agents.roster.models import Agent
from billing.models import Period
from billing.services import factory_scope, open_scope, set_limit
from core.ids import new_id
from core.models import Installation
from factory.pipeline.models import Quote
from factory.pipeline.rules.quote import (
    CODE,
    MEND,
    NO_MODEL,
    REVIEW,
    Effort,
    Part,
    Range,
    Rates,
    Spent,
    by_builds,
    by_tokens,
    cost_of,
    days_at,
)
from factory.pipeline.services.build import question_about
from factory.pipeline.services.discover import planned
from factory.pipeline.services.graphs import Bench
from factory.pipeline.services.quotes import held_against, months_planned, quote_build, who_serves
from factory.work.models import Attempt, Dag, Task
from portfolio.models import Product

Json = dict[str, Any]
RATES = Rates(input=3_000_000, output=15_000_000, cached=300_000)
EFFORTS = st.sampled_from([CODE, MEND, REVIEW, NO_MODEL])


@given(efforts=st.lists(EFFORTS, min_size=1, max_size=5), price=st.integers(min_value=0, max_value=10**8))
def test_a_range_from_tokens_never_ends_below_its_start_and_grows_with_the_price(
    efforts: list[Effort], price: int
) -> None:
    rates, dearer = Rates(price, price, price), Rates(price + 1, price + 1, price + 1)

    part = by_tokens("Code", efforts, agent="Rex", model="m", rates=rates)
    more = by_tokens("Code", efforts, agent="Rex", model="m", rates=dearer)

    assert part.low_microusd is not None
    assert part.high_microusd is not None
    assert part.low_microusd <= part.high_microusd
    assert part.low_s <= part.high_s
    assert (more.high_microusd or 0) >= part.high_microusd


def test_arithmetic_of_tokens_is_that_of_a_hand() -> None:
    effort = Effort((2, 2), first_prompt=1_000, growth=500, answer=100)

    part = by_tokens("Code", [effort], agent="Rex", model="m", rates=RATES)

    # 2 prompts of 1,000 and one growth of 500 are 2,500 tokens: 3 in 10 cached; 200 written; half as much again
    by_hand = 1.5 * (2_500 * (0.3 * 0.3 + 0.7 * 3) + 200 * 15)
    assert part.low_microusd == part.high_microusd == round(by_hand + 0.4999)


def test_what_no_model_would_serve_is_not_known_and_what_needs_none_is_free() -> None:
    unknown = by_tokens("Code", [CODE], agent="Rex", model="", rates=None)
    free = by_tokens("Frame", [NO_MODEL], agent="Forge", model="", rates=None)

    assert (unknown.low_microusd, unknown.high_microusd) == (None, None)
    assert (free.low_microusd, free.high_microusd) == (0, 0)
    assert cost_of([unknown, free], stop_microusd=70) == Range(0, 0, ("Code",))


def test_few_builds_widen_the_range_and_many_tell_their_own() -> None:
    spent = [Spent(900_000, 600), Spent(1_000_000, 700)]

    few = by_builds("Code", spent, agent="Rex", model="m")
    many = by_builds("Code", [*spent, *spent], agent="Rex", model="m")

    assert (few.low_microusd, few.high_microusd) == (600_000, 1_500_000)
    assert (many.low_microusd, many.high_microusd) == (810_000, 1_111_112)


@given(low=st.integers(0, 10**9), more=st.integers(0, 10**9), stop=st.integers(0, 10**9))
def test_no_quote_ends_above_where_the_build_stops(low: int, more: int, stop: int) -> None:
    cost = cost_of([Part("Code", "Rex", "m", low, low + more, 0, 0)], stop_microusd=stop)

    assert 0 <= cost.low <= cost.high <= stop


def test_the_limit_a_day_decides_the_pace() -> None:
    cost = Range(38_000_000, 61_000_000)

    assert days_at(5_000_000, cost) == (8, 13)
    assert days_at(20_000_000, cost) == (2, 4)
    assert days_at(0, cost) is None


@pytest.fixture
def priced(venture: Product) -> Product:
    sync_prices()
    factory_scope()
    return venture


def a_quote(venture: Product, plan: Json) -> Quote:
    return quote_build(venture, task_id=uuid4(), tasks=planned(plan))


def test_the_first_quote_comes_from_tokens_and_todays_prices_and_says_so(priced: Product, plan: Json) -> None:
    quote = a_quote(priced, plan)

    assert (quote.basis, quote.builds, quote.mode) == ("tokens", 0, "rehearsal")
    assert 0 < quote.low_microusd < quote.high_microusd <= quote.stop_microusd == 70_000_000
    assert [part["name"] for part in quote.parts] == [
        "Frame", "Code", "Pages", "Tests and breaking", "Mending", "Release trial",
    ]  # fmt: skip
    assert quote.unknown == []
    assert quote.day_cap_microusd == 100_000_000
    assert days_at(quote.day_cap_microusd, quote.cost) == (1, 1)


def test_dearer_models_make_a_dearer_quote(priced: Product, plan: Json) -> None:
    before = a_quote(priced, plan)
    for entry in ModelEntry.objects.all():
        last = entry.prices.order_by("-valid_from")[0]
        Price.objects.create(
            model=entry, valid_from="2026-11-01", input_microusd=2 * last.input_microusd,
            output_microusd=2 * last.output_microusd, cached_microusd=2 * last.cached_microusd,
            cache_write_microusd=2 * last.cache_write_microusd,
        )  # fmt: skip

    after = a_quote(priced, plan)

    assert after.high_microusd > before.high_microusd


def test_a_gate_is_quoted_once_and_its_question_says_range_work_and_stop(
    priced: Product, blueprint: Json, plan: Json
) -> None:
    task_id = uuid4()

    asked = [question_about(priced, task_id=task_id, blueprint=blueprint, plan=plan) for _ in range(2)]

    quote = Quote.objects.get()
    line = asked[0].facts["evidence"][0]
    assert (line["name"], quote.task_id) == ("Quote", task_id)
    assert "stops by itself at $70.00" in line["words"]
    assert line["words"].endswith("Rehearsed")
    assert asked[0] == asked[1]


def test_a_part_nobody_would_serve_is_named_in_the_question(
    priced: Product, blueprint: Json, plan: Json
) -> None:
    ModelEntry.objects.update(capabilities=[])
    Price.objects.all().delete()

    asked = question_about(priced, task_id=uuid4(), blueprint=blueprint, plan=plan)

    words = asked.facts["evidence"][0]["words"]
    assert "Not known: Code, Pages" in words
    assert words.startswith("Cost not known yet, ")
    assert "$0.00" not in words


def test_what_is_not_known_is_no_zero_and_takes_no_known_number_of_days() -> None:
    nothing, some, every = Range(0, 0, ("Code",)), Range(4_000_000, 9_000_000, ("Code",)), Range(0, 2_000_000)

    assert [one.words for one in (nothing, some, every)] == [
        "not known yet", "at least $4.00", "$0.00 to $2.00",
    ]  # fmt: skip
    assert [(one.least, one.most) for one in (nothing, some, every)] == [
        (None, None), (4_000_000, None), (0, 2_000_000),
    ]  # fmt: skip
    assert [days_at(5_000_000, one) for one in (nothing, some, every)] == [None, None, (1, 1)]


def test_the_worst_case_of_a_build_is_where_its_ventures_own_limit_stops_it(
    priced: Product, blueprint: Json, plan: Json
) -> None:
    set_limit(priced.scope, period=Period.LIFE, cap_microusd=3_000_000, by="owner:ada", why="small")

    asked = question_about(priced, task_id=uuid4(), blueprint=blueprint, plan=plan)

    assert sum(task["max_cost_usd"] for task in plan["tasks"]) > 3
    assert asked.facts["worst_case_microusd"] == 3_000_000


def a_build(venture: Product, *, cost_microusd: int) -> Dag:
    """Return a build that ended: Rex wrote the core for this money."""
    dag = Dag.objects.create(
        product=venture, scope=open_scope(kind="dag", ref="build", label="Build"), payer=venture.scope, title="Build", key=f"build:{venture.pk}", state="completed",
        correlation_id=venture.correlation_id,
    )  # fmt: skip
    task = Task.objects.create(
        dag=dag,
        key="core",
        title="Write",
        type="code",
        state="completed",
        scope=open_scope(kind="task", ref="core", label="Core"),
    )
    attempt = Attempt.objects.create(
        task=task, agent=Agent.objects.get(name="Rex"), n=1, worker="w", state="done",
        started_at="2026-11-01T10:00Z", ended_at="2026-11-01T10:05Z",
    )  # fmt: skip
    Call.objects.create(
        agent="Rex", assignment_id=attempt.pk, model=ModelEntry.objects.all()[0], tier="mid", task_type="coding",
        reason="", status="answered", bound_microusd=cost_microusd, cost_microusd=cost_microusd,
        prompt_sha256="0" * 64, mode="rehearsal", ended_at="2026-11-01T10:05Z", id=new_id(),
    )  # fmt: skip
    return dag


def test_a_build_that_ended_is_what_the_next_quote_stands_on(priced: Product, plan: Json) -> None:
    a_build(priced, cost_microusd=600_000)

    quote = a_quote(priced, plan)

    code = next(part for part in quote.parts if part["name"] == "Code")
    assert (quote.basis, quote.builds) == ("builds", 1)
    assert (code["low_microusd"], code["high_microusd"]) == (400_000, 900_000)
    assert (code["low_s"], code["high_s"]) == (200, 450)


def test_plan_and_actual_stand_side_by_side(priced: Product, plan: Json) -> None:
    quote = a_quote(priced, plan)
    a_build(priced, cost_microusd=600_000)

    held = {line.part.name: line.spent for line in held_against(quote)}
    months = months_planned()

    assert held["Code"] == Spent(600_000, 300.0)
    assert held["Pages"] is None
    assert (months[0].builds, months[0].actual_microusd, months[0].is_rehearsed) == (1, 600_000, True)
    assert months[0].high_microusd == quote.high_microusd


def test_what_nobody_foresaw_is_a_line_too_so_that_the_sums_agree(priced: Product, plan: Json) -> None:
    quote = a_quote(priced, plan)
    quote.parts = [part for part in quote.parts if part["name"] != "Code"]
    a_build(priced, cost_microusd=600_000)

    lines = held_against(quote)

    assert (
        sum(line.spent.cost_microusd for line in lines if line.spent) == months_planned()[0].actual_microusd
    )
    assert (lines[-1].part.name, lines[-1].part.high_microusd) == ("Code", 0)


@pytest.mark.parametrize(
    ("keys", "offered", "told"),
    [
        ({"anthropic": "k"}, ["claude-opus-4-6", "claude-sonnet-4-5"], {"not_model": "claude-sonnet-4-5"}),
        ({"anthropic": "k"}, ["claude-opus-4-6"], {}),
        ({"anthropic": "k", "openai": "k"}, ["claude-opus-4-6", "claude-sonnet-4-5"], {}),
    ],
)
def test_with_one_maker_the_review_comes_from_another_family_where_there_is_one(
    priced: Product, blueprint: Json, settings: Any, keys: dict[str, str], offered: list[str], told: Json
) -> None:
    Installation.objects.update(mode="real")
    settings.MODEL_KEYS = keys
    Provider.objects.filter(name="anthropic").update(offered=[{"name": name} for name in offered])
    forget()
    priced.blueprint = blueprint

    specs = Bench(priced, python="python").proof(after=(), n=1, test_key="test")

    review = next(spec for spec in specs if spec.key == "review")
    author = who_serves(Agent.objects.get(name="Rex"), product=priced)
    assert author is not None
    assert {name: value for name, value in review.arguments.items() if name == "not_model"} == told
    assert told.get("not_model", author.name) == author.name


def test_a_quote_that_ends_before_it_begins_is_refused_by_the_database(priced: Product, plan: Json) -> None:
    a_quote(priced, plan)

    with pytest.raises(IntegrityError), transaction.atomic():
        Quote.objects.update(high_microusd=-1)
