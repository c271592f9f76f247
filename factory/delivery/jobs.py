"""What work and the ticker ask of delivery."""

from core.registry import Assignment, Outcome, Stop, every, register_job
from factory.delivery.models import Release
from factory.delivery.services import (
    carry_release,
    propose_release,
    question_about,
    tick_products,
    url_of,
    watch_releases,
)
from factory.delivery.services.releases import ACTION
from factory.quality.models import Verdict

every(1.0, name="delivery.watch")(watch_releases)
every(60.0, name="delivery.tick_products")(tick_products)


@register_job("delivery.launch")
def launch(assignment: Assignment, stop: Stop, /) -> Outcome:
    """Ask the owner about the tested artifact, then bring it to its users."""
    results = [given["result"] for given in assignment.inputs["upstream"].values() if given["result"]]
    verdicts = [result["verdict_id"] for result in results if "verdict_id" in result]
    verdict = Verdict.objects.filter(pk__in=verdicts).select_related("artifact", "product").latest("at")
    release = propose_release(product=verdict.product, artifact=verdict.artifact, verdict=verdict)
    if release.state == Release.State.ASKED and ACTION not in assignment.decisions:
        return Outcome(kind="waiting", question=question_about(release, task_id=assignment.reuse_key))
    release = carry_release(release, task_id=assignment.reuse_key, stop=stop)
    if release.state == Release.State.REFUSED:
        return Outcome(kind="failed", error=release.why, error_class="permanent")
    return Outcome(kind="done", result={"release_id": str(release.pk), "url": url_of(release.product)})
