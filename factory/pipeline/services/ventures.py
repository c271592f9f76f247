"""One venture, from signals or an owner's idea to a product that earns: each step calls one verb below."""

from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing.adapters.limits import table_row
from core.ids import digest_of, story_of
from core.money import in_words
from core.services import audit
from factory.delivery.services import url_of
from factory.pipeline.errors import IdeaExcluded
from factory.pipeline.models import Objective
from factory.pipeline.rules.idea import read_idea, title_of
from factory.pipeline.rules.objectives import budget_of, start_rule
from factory.pipeline.services.discover import discovery
from factory.pipeline.services.graphs import LAUNCH, VERDICT_JUDGE, Bench
from factory.pipeline.services.objectives import (
    Wish,
    attach,
    follow_product,
    move_objective,
    receive_objective,
)
from factory.pipeline.services.starts import ask_to_begin, begin_discovery
from factory.quality.services import findings_told
from factory.work.models import Attempt, Task
from factory.work.services import accept_result, extend_graph, refuse_task
from portfolio.models import Opportunity, Product, Scan
from portfolio.services import (
    change_stage,
    decline_opportunity,
    open_product,
    place_product,
    record_idea,
    scan_signals,
    validate_opportunity,
)

TRAFFIC = "recorded.jsonl"
MOST_TESTS = 4
"""The first test and three rounds of mending."""
Stage = Product.Stage


def scan_file(path: Path, *, as_of: date | None = None) -> Scan:
    """Read a file of signals and begin a venture with the best opportunity that nobody has begun yet.

    Raises:
        SignalsUnreadable, ModelMissing: nothing was written.
    """
    scan = scan_signals(path, as_of=as_of)
    best = Opportunity.objects.to_validate().filter(product=None).first()
    if best is not None:
        begin_venture(best)
    return scan


def start_from_idea(text: str, *, name: str = "", by: str = "owner") -> Product:
    """Begin a venture with an owner's idea; the same idea again gives the first.

    Raises:
        IdeaUnclear, IdeaTooLong: asked back; nothing was written.
        IdeaExcluded: it lies in a field the factory leaves alone; says the rule.
    """
    idea = read_idea(text)
    wish = Wish(text=idea, source=Objective.Source.OWNER, key=f"idea:{digest_of(idea)}", by=by)
    objective, _ = receive_objective(wish)
    return objective.product or begin_objective(objective, name=name)


def begin_objective(objective: Objective, *, name: str = "") -> Product:
    """Begin what was asked for, as far as it may begin unasked. Safe to run twice.

    Raises:
        IdeaUnclear: it cannot be read as an idea.
        IdeaExcluded: it lies in a field the factory leaves alone; the objective is rejected.
    """
    idea = read_idea(objective.text)
    opportunity = record_idea(idea, title=name or title_of(idea))
    if opportunity.state == Opportunity.State.EXCLUDED:
        move_objective(
            objective, to=Objective.State.REJECTED, actor="pipeline:rules", reason=opportunity.reason
        )
        raise IdeaExcluded(rule=opportunity.reason)
    return begin_venture(opportunity, objective=objective)


@transaction.atomic
def begin_venture(opportunity: Opportunity, *, objective: Objective | None = None) -> Product:
    """Open the product of an opportunity and begin to find out whether to build it. Safe to run twice, and at the same time.

    Args:
        opportunity: fit for a test.
        objective: the wish it comes from; None: the signals alone.
    """
    objective = objective or receive_objective(_wish_of(opportunity))[0]
    # its owner and Kev may both be at it
    objective = Objective.objects.select_for_update().get(pk=objective.pk)
    product = open_product(opportunity.title, opportunity=opportunity, stage=Stage.VALIDATE)
    attach(objective, product)
    unasked, task_cap = table_row("unasked"), table_row("task")["life"]
    budget_microusd = budget_of(discovery(product), task_cap_microusd=task_cap)
    rule = start_rule(budget_microusd, free_microusd=unasked["free"], told_microusd=unasked["told"])
    if objective.state == Objective.State.RECEIVED and rule == "ask":
        ask_to_begin(objective, product=product, budget_microusd=budget_microusd)
    elif objective.state != Objective.State.AWAITING_APPROVAL:
        begin_discovery(objective, product=product, reason=f"at most {in_words(budget_microusd)}")
    return product


def _wish_of(opportunity: Opportunity) -> Wish:
    return Wish(
        text=opportunity.title, source=Objective.Source.EVENT, key=f"opportunity:{opportunity.pk}", by="scan"
    )


def validate_product(product: Product) -> dict[str, Any]:
    """Test the product's opportunity at the desk and over the recorded traffic; return what was seen.

    Raises:
        NotToValidate: it is not fit for a test.
    """
    if product.opportunity is None:
        return {"outcome": "passed", "reason": "there is nothing to test", "label": "", "is_recorded": False}
    test = validate_opportunity(product.opportunity, traffic=settings.DATA_DIR / "traffic" / TRAFFIC)
    return {
        "outcome": test.outcome,
        "reason": test.reason,
        "label": test.label,
        "is_recorded": test.is_recorded,
    }


@transaction.atomic
def decline_build(product_id: UUID, *, task_id: UUID, words: str) -> None:
    """Note the owner's no or silence; nothing is built, everything is kept."""
    product = Product.objects.select_related("opportunity").get(pk=product_id)
    refuse_task(task_id, words=words or "the owner said no")
    if product.opportunity:
        decline_opportunity(product.opportunity, reason=words or "the owner said no")
    follow_product(
        product_id, to=Objective.State.REJECTED, actor="owner", reason=words or "the owner said no"
    )
    audit(actor="owner", verb="pipeline.decline_build", subject=product.name, words=words)


def settle_tests() -> int:
    """Let every tested product go on; return how many. Safe to run twice.

    Not a handler, because what is mended is read from the repository first, and no row is locked meanwhile.
    """
    offered = Attempt.objects.filter(state=Attempt.State.OFFERED, task__validator=VERDICT_JUDGE)
    waiting = list(offered.filter(task__state=Task.State.VALIDATING).select_related("task__dag"))
    for attempt in waiting:
        _settle(attempt)
    return len(waiting)


def _settle(attempt: Attempt) -> None:
    """A green verdict leads to the launch; what a red one found is mended and tested again before that."""
    task, result = attempt.task, attempt.result or {}
    product, n = Product.objects.get(dags=task.dag), task.arguments["round"] + 1
    round_of = Bench(product, python=task.arguments["python"]).mending
    is_green = result["passed"]
    is_mended = not is_green and n <= MOST_TESTS
    told = findings_told(result["verdict_id"]) if is_mended else []
    mending = round_of(told, n=n, test_key=task.key) if is_mended else []
    with transaction.atomic(), story_of(task.dag.correlation_id):
        if is_green:
            change_stage(product, to=Stage.LAUNCH, reason="Hawk's verdict is green")
        if mending:
            launch = task.dag.tasks.filter(kind=LAUNCH).values_list("key", flat=True).first() or ""
            extend_graph(task.dag, tasks=mending, before=launch)
        accept_result(attempt.pk, by="pipeline:verdict", reason="passed" if is_green else "red")


@transaction.atomic
def note_live(product_id: str) -> None:
    """Users meet the product: keep where, and let it grow."""
    product = Product.objects.get(pk=product_id)
    place_product(product, url=url_of(product))
    if product.stage == Stage.BUILD:
        change_stage(product, to=Stage.LAUNCH, reason="released")
    change_stage(product, to=Stage.GROW, reason="users meet it")
    follow_product(product_id, to=Objective.State.DONE, actor="delivery", reason="users meet it")
