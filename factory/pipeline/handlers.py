"""Facts from below, and the next step they call for."""

from core.models import Event
from core.services import handles
from factory.pipeline.models import Objective
from factory.pipeline.services.build import note_question
from factory.pipeline.services.cycle import ADVICE_JUDGE, judge_advice, look_around
from factory.pipeline.services.discover import BLUEPRINT_JUDGE, PLAN_JUDGE, judge_blueprint, judge_plan
from factory.pipeline.services.objectives import follow_product
from factory.pipeline.services.ventures import note_live
from factory.work.models import Attempt, Dag

JUDGES = {BLUEPRINT_JUDGE: judge_blueprint, PLAN_JUDGE: judge_plan, ADVICE_JUDGE: judge_advice}
ENDS = {Dag.State.CANCELLED: Objective.State.CANCELLED, Dag.State.FAILED: Objective.State.FAILED}


@handles("work.result_offered")
def judge(event: Event) -> None:
    """Let the rules decide about what was offered to them."""
    judge_one = JUDGES.get(event.facts["validator"])
    offered = Attempt.objects.filter(pk=event.facts["attempt_id"], state=Attempt.State.OFFERED)
    attempt = offered.select_related("task__dag__product").first()
    if judge_one is not None and attempt is not None:
        judge_one(attempt)


@handles("delivery.release_advanced")
def follow_release(event: Event) -> None:
    """A product whose release users meet is launched."""
    if event.facts["state"] == "live":
        note_live(event.facts["product_id"])


@handles("approvals.request_asked")
def follow_question(event: Event) -> None:
    """What was asked for waits while the owner is asked whether to build it."""
    note_question(event.facts["request_id"])


@handles("work.graph_cancelled")
@handles("work.graph_failed")
def follow_end(event: Event) -> None:
    """What was asked for ends with the graph that was to bring it."""
    dag = Dag.objects.get(pk=event.facts["dag_id"])
    if dag.product_id:
        follow_product(dag.product_id, to=ENDS[Dag.State(dag.state)], actor="work", reason=dag.title)


@handles("pipeline.objective_received")
@handles("work.task_given_up")
@handles("work.graph_completed")
def look_at_news(event: Event) -> None:
    """Kev looks around when something calls for it, not only twice an hour."""
    look_around()
