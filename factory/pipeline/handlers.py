"""Facts from below, and the next step they call for."""

from core.models import Event
from core.services import handles
from factory.pipeline.services.discover import BLUEPRINT_JUDGE, PLAN_JUDGE, judge_blueprint, judge_plan
from factory.pipeline.services.ventures import note_live
from factory.work.models import Attempt

JUDGES = {BLUEPRINT_JUDGE: judge_blueprint, PLAN_JUDGE: judge_plan}


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
