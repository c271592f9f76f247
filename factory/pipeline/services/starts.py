"""How an objective begins: at once, or after the owner's yes; and how it is given up."""

from uuid import UUID

from django.db import transaction

from approvals.models import Request
from approvals.rules import RequestDraft
from approvals.services import ask_owner, withdraw_request
from core.errors import NotFound
from core.ids import story_of
from core.money import in_words
from core.services import audit, publish
from factory.pipeline.models import Objective
from factory.pipeline.services.discover import discover
from factory.pipeline.services.objectives import move_objective
from factory.work.models import Dag
from factory.work.services import cancel_graph
from portfolio.models import Product

START = "pipeline.start_objective"
State = Objective.State


def begin_discovery(
    objective: Objective, *, product: Product, reason: str = "", actor: str = "pipeline:rules"
) -> None:
    """Let the work on an objective begin, and tell so. Safe to run twice."""
    discover(product, budget_microusd=objective.budget_microusd)
    if objective.state in (State.RECEIVED, State.AWAITING_APPROVAL):
        move_objective(objective, to=State.PLANNING, actor=actor, reason=reason)
        publish(
            "pipeline.objective_begun",
            objective_id=str(objective.pk),
            product_id=str(product.pk),
            reason=reason,
        )


def ask_to_begin(objective: Objective, *, product: Product, budget_microusd: int) -> None:
    """Put an objective that may cost much before the owner; nothing of it begins before the yes. Source: R-01.5."""
    with story_of(product.correlation_id):
        draft = RequestDraft(
            action=START,
            arguments={"objective_id": str(objective.pk)},
            title=f"Begin with {product.name}?"[:60],
            reason=objective.text[:500],
            asked_by=objective.created_by or "pipeline",
            on_yes=f"Agents find out whether to build it, for at most {in_words(budget_microusd)}; you are asked again before anything is built.",
            on_no="Nothing begins. The idea is kept.",
            worst_case_microusd=budget_microusd,
            key=f"objective:{objective.pk}",
            binds={"budget_microusd": budget_microusd, "text": objective.text},
            product=product.name,
        )
        ask_owner(draft)
    move_objective(
        objective,
        to=State.AWAITING_APPROVAL,
        actor="pipeline:rules",
        reason=f"may cost {in_words(budget_microusd)}",
    )


@transaction.atomic
def start_objective(objective_id: UUID | str, *, by: str) -> None:
    """Let an objective begin that waited for the owner's yes. Safe to run twice."""
    objective = _known(objective_id)
    if objective.product is not None:
        begin_discovery(objective, product=objective.product, reason="the owner said yes", actor=by)


@transaction.atomic
def reject_objective(objective_id: UUID | str, *, words: str, by: str) -> None:
    """Note that nothing comes of an objective. Safe to run twice."""
    objective = _known(objective_id)
    if not objective.is_over:
        move_objective(objective, to=State.REJECTED, actor=by, reason=words)


@transaction.atomic
def cancel_objective(objective_id: UUID | str, *, by: str, reason: str = "") -> None:
    """Give an objective up: its open question is taken back and its graphs are cancelled. Safe to run twice.

    A product that users meet stays as it is.
    """
    objective = _known(objective_id)
    if objective.is_over:
        return
    for request in Request.objects.waiting().filter(key=f"objective:{objective.pk}"):
        withdraw_request(request.pk, by=by, reason=reason or "the objective was cancelled")
    graphs = Dag.objects.filter(product=objective.product_id, closed_at=None) if objective.product_id else ()
    for dag in graphs:
        cancel_graph(dag.pk, by=by, reason=reason or "the objective was cancelled")
    move_objective(objective, to=State.CANCELLED, actor=by, reason=reason)
    audit(actor=by, verb="pipeline.cancel_objective", subject=str(objective), reason=reason)


def _known(objective_id: UUID | str) -> Objective:
    objective = Objective.objects.select_related("product").filter(pk=objective_id).first()
    if objective is None:
        raise NotFound(objective=objective_id)
    return objective
