"""What work asks of quality."""

from typing import Any

from agents.roster.models import Agent
from core.registry import Assignment, Json, Outcome, Question, Stop, register_job
from factory.quality.errors import NothingToJudge, ReviewNotIndependent
from factory.quality.models import Verdict
from factory.quality.services import WAIVE, test_artifact
from factory.work.models import Artifact


@register_job("quality.test", queue="build")
def test(assignment: Assignment, stop: Stop, /) -> Outcome:
    """Judge the release that a task before this one packed, with the notes of the review before it."""
    upstream = assignment.inputs["upstream"]
    artifact, reviewer = _release_in(upstream), Agent.objects.get(name=assignment.agent)
    try:
        verdict = test_artifact(
            artifact, reviewer=reviewer, answer=_notes_in(upstream), task_id=assignment.reuse_key
        )
    except ReviewNotIndependent as refusal:
        if "provider" not in refusal.facts:
            raise
        return Outcome(kind="waiting", question=_waiver_for(assignment, refusal))
    kept = sum(verdict.promises.values())
    return Outcome(
        kind="done",
        result={
            "summary": _summary_of(verdict),
            "passed": verdict.passed,
            "verdict_id": str(verdict.pk),
            "promised": len(verdict.promises),
            "kept": kept,
            "reasons": verdict.reasons,
        },
    )


def _summary_of(verdict: Verdict) -> str:
    """What the tasks behind are told: no word of a promise, because some are hidden from them."""
    found = verdict.findings.blocking().count()
    return "Hawk's verdict is green." if verdict.passed else f"Hawk's verdict is red: {found} findings."


def _release_in(upstream: Json) -> Artifact:
    packed = [
        item["id"] for given in upstream.values() for item in given["artifacts"] if item["kind"] == "release"
    ]
    if len(packed) != 1:
        raise NothingToJudge(releases=len(packed))
    return Artifact.objects.select_related("attempt__task__dag__product").get(pk=packed[0])


def _notes_in(upstream: Json) -> dict[str, Any] | None:
    """The answer of the review, told by its shape."""
    answers = (given["result"] for given in upstream.values())
    return next(
        (answer for answer in answers if answer and {"verdict", "notes", "cases"} <= answer.keys()), None
    )


def _waiver_for(assignment: Assignment, refusal: ReviewNotIndependent) -> Question:
    return Question(
        action=WAIVE,
        arguments={"task_id": str(assignment.reuse_key)},
        title=f"May {refusal.facts['provider']} review its own work?"[:60],
        facts={
            "reason": "Author and reviewer used models of one provider; they may share its blind spots.",
            "on_yes": "Reviews by the same provider count from now on; every such verdict says so.",
            "on_no": "This version is not tested and does not reach anybody.",
            "worst_case_microusd": 0,
        },
    )
