"""Many calls and sixty standing entries: every total equals a table added up by hand, to the last millionth."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction

from agents.gateway.models import Call, ModelEntry, Price, Provider
from billing.models import CostHour, Entry
from billing.services import book_entry, book_standing, factory_scope
from core.ids import new_id
from core.models import Installation
from core.money import in_words
from core.registry import TaskSpec
from core.services import business_now, found_installation
from factory.insight.services import costs_now, money_now, product_pnl, purposes_by
from factory.work.models import Attempt
from factory.work.services import create_graph
from portfolio.models import Product
from tests.factory.console.build import the_agent
from tests.factory.console.story import a_product

AGENTS, NAMES = ("Rex", "Pixel", "Hawk"), ("Nightwatch", "Leaf")
MODELS = {"small": (100_000, 10_000), "large": (5_000_000, 500_000)}
"""Price in and price of cached tokens, in micro-dollars for a million tokens."""
DAYS, END = 20, datetime(2026, 3, 12, 12, tzinfo=UTC)
FIRST = END - timedelta(days=DAYS - 1)


@dataclass(frozen=True)
class Line:
    """One call of the table."""

    number: int
    agent: str
    product: str
    model: str
    day: int
    n: int
    is_second: bool

    @property
    def cost(self) -> int:
        """In micro-dollars."""
        return 101 + self.number * 7_919 % 49_999

    @property
    def at(self) -> datetime:
        """When it was made."""
        return FIRST + timedelta(days=self.day, seconds=self.number % 40_000)

    @property
    def task(self) -> str:
        """Which task it worked at."""
        return f"{self.product}: {self.agent}'s part"


def the_table(count: int) -> list[Line]:
    """Return the calls, the same each time."""
    return [
        Line(
            i, AGENTS[i % 3], NAMES[i % 7 > 2], list(MODELS)[i % 5 > 3], i * 13 % DAYS, 1 + (i % 11 == 0), i % 17 == 0
        )
        for i in range(count)
    ]  # fmt: skip


def tasks_of(name: str) -> Iterator[tuple[tuple[str, int], Attempt]]:
    """Make a product with a task for each agent, tried twice."""
    product = a_product(name)
    Product.objects.filter(pk=product.pk).update(opened_at=FIRST)
    specs = [
        TaskSpec(key=a, title=f"{name}: {a}'s part", agent=a, type="test" if a == "Hawk" else "write")
        for a in AGENTS
    ]
    dag = create_graph(
        product=product, title=name, tasks=specs, scope=product.scope, correlation_id=product.correlation_id, key=name
    )  # fmt: skip
    for task in dag.tasks.all():
        for n in (1, 2):
            attempt = Attempt.objects.create(
                task=task, agent=task.agent, n=n, worker="x", state="failed", ended_at=END
            )
            yield (task.title, n), attempt


def write_down(table: list[Line]) -> None:
    """Make every call of the table, with its entry."""
    for agent in AGENTS:
        the_agent(agent)
    provider = Provider.objects.create(name="maker", protocol="openai", base_url="https://models.example")
    models = {}
    for name, (full, cached) in MODELS.items():
        models[name] = ModelEntry.objects.create(
            provider=provider, name=name, tier="mid", window_tokens=1_000, max_output_tokens=100
        )
        price = {"input_microusd": full, "output_microusd": 1, "cached_microusd": cached, "cache_write_microusd": full}  # fmt: skip
        Price.objects.create(model=models[name], valid_from=FIRST.date(), **price)
    attempts = {key: attempt for name in NAMES for key, attempt in tasks_of(name)}
    products = {one.name: one for one in Product.objects.select_related("scope")}
    first: Call | None = None
    for line in table:
        call = Call(
            id=new_id(), agent=line.agent, assignment_id=attempts[line.task, line.n].pk, model=models[line.model],
            correlation_id=products[line.product].correlation_id, tier="mid", task_type="coding", reason="fits", status="answered",
            bound_microusd=line.cost, cost_microusd=line.cost, prompt_tokens=1_000, completion_tokens=50, cached_tokens=line.number % 900,
            cache_write_tokens=0, reasoning_tokens=line.number % 30, prompt_sha256="0" * 64, mode="rehearsal", started_at=line.at,
            ended_at=line.at, fallback_from=first if line.is_second else None,
        )  # fmt: skip
        call.save(force_insert=True)
        first = first or call
        book_entry(
            products[line.product].scope, kind="model_call", ref=f"call:{call.pk}", amount_microusd=line.cost, at=line.at, call_id=call.pk,
            agent=line.agent, correlation_id=call.correlation_id, facts={"asked": line.model},
        )  # fmt: skip


def added_up(table: list[Line], key: Callable[[Line], Any]) -> dict[Any, int]:
    """Return the sums of the table."""
    sums: Counter[Any] = Counter()
    for line in table:
        sums[key(line)] += line.cost
    return dict(sums)


@pytest.mark.django_db
@pytest.mark.parametrize("count", [700, pytest.param(10_000, marks=pytest.mark.drill)])
def test_every_total_equals_a_table_added_up_by_hand_and_a_second_look_adds_nothing(count: int) -> None:
    found_installation("rehearsal")
    Installation.objects.update(created_at=FIRST)
    table = the_table(count)
    with time_machine.travel(END, tick=False), transaction.atomic():
        write_down(table)
        standing = book_standing(), book_standing()
        uses = {
            what: purposes_by(what, days=DAYS, now=END)
            for what in ("task", "agent", "product", "model", "day")
        }
        shown = costs_now(END)

    assert standing == (60, 0)
    wanted: dict[str, Callable[[Line], Any]] = {
        "task": lambda line: line.task, "agent": lambda line: line.agent, "product": lambda line: line.product,
        "model": lambda line: line.model, "day": lambda line: f"{line.at:%Y-%m-%d}",
    }  # fmt: skip
    for what, key in wanted.items():
        assert {one.label: one.cost_microusd for one in uses[what]} == added_up(table, key)

    assert sum(one.judge_microusd for one in uses["agent"]) == sum(
        line.cost for line in table if line.agent == "Hawk"
    )
    again = sum(line.cost for line in table if line.agent != "Hawk" and (line.n > 1 or line.is_second))
    assert sum(one.retry_microusd for one in uses["agent"]) == again
    saved = sum(line.number % 900 * (MODELS[line.model][0] - MODELS[line.model][1]) for line in table)
    assert abs(sum(one.saved_microusd for one in uses["model"]) - saved // 1_000_000) <= len(table)
    assert sum(one.reasoning_tokens for one in uses["day"]) == sum(line.number % 30 for line in table)

    today = [line for line in table if line.at.date() == END.date()]
    assert {one.model: one.cost_microusd for one in shown.models} == added_up(today, lambda line: line.model)
    assert CostHour.objects.total_microusd() == Entry.objects.total_microusd()
    the_shares_are_exact(table)


def the_shares_are_exact(table: list[Line]) -> None:
    """What no product caused is split each month by what each caused itself; what rounding leaves goes to the dearest."""
    costs = {one.name: product_pnl(one) for one in Product.objects.all()}
    shared: Counter[tuple[str, str]] = Counter()
    for name, rows in costs.items():
        for row in rows:
            if row.kind == "shared":
                shared[f"{row.day:%Y-%m}", name] -= row.amount_microusd
    for month in ("2026-02", "2026-03"):
        in_month = [line for line in table if f"{line.at:%Y-%m}" == month]
        direct = added_up(in_month, lambda line: line.product)
        pot = sum(
            e.amount_microusd for e in Entry.objects.exclude(kind="model_call") if f"{e.at:%Y-%m}" == month
        )
        parts = {name: pot * cost // sum(direct.values()) for name, cost in direct.items()}
        parts[max(direct, key=lambda name: direct[name])] += pot - sum(parts.values())
        assert {name: shared[month, name] for name in NAMES} == parts
    assert (
        -sum(row.amount_microusd for rows in costs.values() for row in rows) == Entry.objects.total_microusd()
    )


@pytest.mark.django_db
def test_before_anything_was_asked_the_limit_stands_and_nothing_is_spent() -> None:
    found_installation("rehearsal")
    assert money_now(business_now()).today.cap_microusd is None

    factory_scope()

    today = money_now(business_now()).today
    assert (today.spent_microusd, today.held_microusd, in_words(today.cap_microusd)) == (0, 0, "$100.00")
