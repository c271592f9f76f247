"""From an opportunity to a question: desk check, research, blueprint, plan, gate."""

from typing import Any
from uuid import UUID

from agents.roster.models import Agent
from billing.adapters.limits import table_row
from core.errors import FactoryError
from core.money import to_usd
from factory.pipeline.adapters.references import reference_prices
from factory.pipeline.models import Plan
from factory.pipeline.rules.answers import BLUEPRINT, PLAN, RESEARCH
from factory.pipeline.rules.blueprint import PRICE_RANGE_USD, check_blueprint
from factory.pipeline.rules.briefs import blueprint_brief, plan_brief, research_brief
from factory.pipeline.rules.plan import Caps, Planned, Staff, check_plan
from factory.work.models import Attempt, Dag, Task
from factory.work.rules import TaskSpec
from factory.work.services import accept_result, create_graph, extend_graph, refuse_result
from portfolio.models import Product

BLUEPRINT_JUDGE, PLAN_JUDGE = "pipeline.blueprint", "pipeline.plan"
BY = "pipeline:rules"
MOST_ROUNDS = 3
MOST_SIGNALS = 8


def discovery(product: Product) -> list[TaskSpec]:
    """Return the work that ends in the question whether to build."""
    return [*_validation(product), *_proposal(product, round_n=1, after=("research",))]


def discover(product: Product, *, budget_microusd: int | None = None) -> Dag:
    """Begin the work that ends in the question whether to build; a repeat returns the first graph."""
    return create_graph(
        product=product,
        title=f"Find out whether to build {product.name}",
        tasks=discovery(product),
        scope=product.scope,
        correlation_id=product.correlation_id,
        key=f"discover:{product.pk}",
        max_cost_microusd=budget_microusd,
    )


def propose_again(product: Product, dag: Dag, *, round_n: int, owner_words: str) -> None:
    """Ask Atlas and Kev once more, with the owner's words; the question comes back changed. Source: R-12.9."""
    extend_graph(dag, tasks=_proposal(product, round_n=round_n, after=("research",), owner_words=owner_words))


def may_propose_again(task_id: UUID) -> bool:
    """Say whether the gate `task_id` may still take the owner's words into another round."""
    return int(Task.objects.get(pk=task_id).arguments["round"]) < MOST_ROUNDS


def _validation(product: Product) -> list[TaskSpec]:
    stage = {"stage": "VALIDATE", "product_id": str(product.pk)}
    desk = TaskSpec(
        key="desk",
        title="Check demand, prices and traffic",
        kind="pipeline.validate",
        type="research",
        arguments=stage,
    )
    research = TaskSpec(
        key="research",
        title="Read the evidence",
        agent="Scout",
        type="research",
        brief=research_brief(idea_of(product), signals=evidence_of(product)),
        answer_schema=RESEARCH,
        validator="schema",
        after=("desk",),
        arguments=stage,
    )
    return [desk, research]


def _proposal(
    product: Product, *, round_n: int, after: tuple[str, ...], owner_words: str = ""
) -> list[TaskSpec]:
    """Return blueprint, plan and gate of one round."""
    end = "" if round_n == 1 else f"-{round_n}"
    arguments: dict[str, Any] = {"stage": "BUILD", "product_id": str(product.pk), "round": round_n}
    blueprint = TaskSpec(
        key=f"blueprint{end}",
        title="Write the blueprint",
        agent="Atlas",
        type="write",
        brief=blueprint_brief(
            idea_of(product), price_range_usd=price_range(product), owner_words=owner_words
        ),
        answer_schema=BLUEPRINT,
        validator=BLUEPRINT_JUDGE,
        after=after,
        arguments=arguments,
    )
    plan = TaskSpec(
        key=f"plan{end}",
        title="Plan the build",
        agent="Kev",
        type="decompose",
        brief=plan_brief(
            staff=[_shown(agent) for agent in _builders()], budget_usd=int(plan_caps().build_usd)
        ),
        answer_schema=PLAN,
        validator=PLAN_JUDGE,
        after=(f"blueprint{end}",),
        arguments=arguments,
    )
    gate = TaskSpec(
        key=f"gate{end}",
        title="Ask whether to build it",
        kind="pipeline.ask_to_build",
        agent="Kev",
        type="decompose",
        after=(f"blueprint{end}", f"plan{end}"),
        arguments=arguments,
    )
    return [blueprint, plan, gate]


def _builders() -> list[Agent]:
    return list(
        Agent.objects.filter(name__in=("Rex", "Pixel", "Hawk", "Forge"))
        .select_related("version")
        .order_by("name")
    )


def _shown(agent: Agent) -> dict[str, object]:
    return {"name": agent.name, "role": agent.role, "is_enabled": agent.is_enabled}


def staff() -> list[Staff]:
    """Return the agents as the rules of plans see them."""
    return [
        Staff(
            name=agent.name,
            capabilities=frozenset(agent.definition.capabilities),
            is_enabled=agent.is_enabled,
        )
        for agent in _builders()
    ]


def judge_blueprint(attempt: Attempt) -> None:
    """Accept a blueprint that keeps the rules of the house; refuse another with its faults."""
    prices, most = price_range(attempt.task.dag.product), plan_caps().build_usd
    _judge(attempt, lambda answer: check_blueprint(answer, build_cap_usd=most, price_range_usd=prices))


def judge_plan(attempt: Attempt) -> None:
    """Accept a plan that keeps every rule; refuse another whole, naming the broken rules. Both are kept as they are."""
    faults = _judge(attempt, lambda answer: planned(answer))
    product = attempt.task.dag.product
    if product is not None:
        keep_plan(attempt, product=product, violations=faults)


def keep_plan(attempt: Attempt, *, product: Product, violations: list[str]) -> None:
    """Keep what was proposed and what the rules said, once for each attempt."""
    Plan.objects.get_or_create(
        attempt_id=attempt.pk,
        defaults={
            "product": product,
            "objective": product.objectives.order_by("created_at").first(),
            "version": Plan.objects.filter(product=product).count() + 1,
            "content": attempt.result,
            "violations": violations,
            "proposed_by": f"agent:{attempt.agent.name}" if attempt.agent else "",
        },
    )


def planned(plan: dict[str, Any]) -> tuple[Planned, ...]:
    """Return the tasks of a plan that keeps every rule."""
    return check_plan(plan, staff=staff(), caps=plan_caps())


def plan_caps() -> Caps:
    """Return what may be planned at most: what the table of limits lets a product and a task spend."""
    return Caps(build_usd=to_usd(table_row("product")["life"]), task_usd=to_usd(table_row("task")["life"]))


def idea_of(product: Product) -> str:
    """Return the idea in words: the owner's own, or what the market's signals come to."""
    opportunity = product.opportunity
    if opportunity is None:
        return product.name
    return opportunity.words or f"{opportunity.title}. {opportunity.problem}"


def evidence_of(product: Product) -> list[dict[str, str]]:
    """Return the signals that speak for it, the most typical first; they are strangers' words."""
    if product.opportunity is None:
        return []
    rows = (
        product.opportunity.evidence.filter(counts=True)
        .select_related("signal")
        .order_by("-similarity", "place")
    )
    return [{"title": row.signal.title, "text": row.signal.text} for row in rows[:MOST_SIGNALS]]


def price_range(product: Product | None) -> tuple[int, int]:
    """Return what a product may cost a month; a reference product names its own prices."""
    return reference_prices(product.opportunity.name) if product and product.opportunity else PRICE_RANGE_USD


def _judge(attempt: Attempt, check: Any) -> list[str]:
    """Accept or refuse what was offered; return the faults that were found."""
    try:
        check(attempt.result)
    except FactoryError as fault:
        faults = [str(value) for value in fault.facts.values()] or [fault.sentence]
        refuse_result(attempt.pk, faults=[fault.sentence, *faults], by=BY, error_class="invalid_output")
        return faults
    accept_result(attempt.pk, by=BY)
    return []
