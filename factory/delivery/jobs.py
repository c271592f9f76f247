"""What work and the ticker ask of delivery."""

from typing import Any
from uuid import UUID

from core.registry import Assignment, Outcome, Stop, every, register_job
from factory.delivery.errors import LaunchStopped, NotFit
from factory.delivery.models import Release
from factory.delivery.rules import WAS_LIVE
from factory.delivery.services import (
    carry_release,
    is_approved,
    opening_of,
    propose_release,
    question_about,
    tick_products,
    url_of,
    watch_releases,
)
from factory.quality.models import Verdict
from factory.work.errors import EffectFailed
from factory.work.services import Done, carry_out_once

every(1.0, name="delivery.watch")(watch_releases)
every(60.0, name="delivery.tick_products")(tick_products)


@register_job("delivery.launch")
def launch(assignment: Assignment, stop: Stop, /) -> Outcome:
    """Ask the owner about the tested artifact, then bring it to its users."""
    task_id = assignment.reuse_key
    try:
        verdict = _newest_verdict(assignment.inputs["upstream"])
        release = propose_release(product=verdict.product, artifact=verdict.artifact)
    except NotFit as refusal:
        return Outcome(kind="failed", error=refusal.sentence, error_class="permanent")
    if release.state == Release.State.ASKED and not is_approved(release, task_id=task_id):
        return Outcome(kind="waiting", question=question_about(release, task_id=task_id))
    try:
        carry_out_once(
            assignment, opening_of(release), do=lambda _: _open(release, task_id=task_id, stop=stop)
        )
    except LaunchStopped as pause:
        return Outcome(kind="stopped", error=pause.sentence)
    except EffectFailed as failure:
        return Outcome(kind="failed", error=str(failure.facts["why"]), error_class="permanent")
    release.refresh_from_db()
    return _outcome_of(release)


def _open(release: Release, *, task_id: UUID, stop: Stop) -> Done:
    """A release goes on where it was: a repeat after a death does it once."""
    carried = carry_release(release, task_id=task_id, stop=stop)
    return Done(external_id=str(carried.pk), why_not="" if _met_users(carried) else carried.why)


def _newest_verdict(upstream: dict[str, Any]) -> Verdict:
    results = [given["result"] for given in upstream.values() if given["result"]]
    said = [result["verdict_id"] for result in results if "verdict_id" in result]
    verdicts = Verdict.objects.filter(pk__in=said).select_related("artifact", "product")
    newest = verdicts.order_by("-at", "-id").first()
    if newest is None:
        raise NotFit(why="nobody tested it")
    return newest


def _met_users(release: Release) -> bool:
    return release.state in WAS_LIVE and release.state != Release.State.ROLLED_BACK


def _outcome_of(release: Release) -> Outcome:
    if _met_users(release):
        return Outcome(kind="done", result={"release_id": str(release.pk), "url": url_of(release.product)})
    return Outcome(kind="failed", error=release.why, error_class="permanent")
