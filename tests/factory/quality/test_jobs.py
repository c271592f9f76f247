"""The test of a release as a task: real gates, Hawk's notes, the owner's waiver when it needs one."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from approvals.models import Decision, Request
from approvals.services import decide_request
from core.registry import ArtifactDraft, Assignment, Outcome, Stop, register_job
from factory.quality import services
from factory.quality.models import Finding, Verdict
from factory.quality.rules.criteria import hidden_words
from factory.quality.services import findings_told, split_criteria
from factory.repo.models import Merge
from factory.work.models import Attempt, Task
from factory.work.rules import TaskSpec
from factory.work.services import run_next
from portfolio.models import Product
from tests.builders import a_graph, a_user, an_agent
from tests.factory.quality.rows import a_call, a_product, a_release, packed
from tests.factory.quality.sample import Edit, raw_criteria, write_product

pytestmark = pytest.mark.django_db(transaction=True)

FORMULA = Edit("certs/pages.py", "rules.plain(getattr(cert, name))", "str(getattr(cert, name))")
TREE: dict[str, bytes] = {}


@register_job("test.pack")
def pack(assignment: Assignment, stop: Stop, /) -> Outcome:
    """Pack the tree of this test."""
    draft = ArtifactDraft(kind="release", name="release.tar", content=TREE["tar"])
    return Outcome(kind="done", artifacts=(draft,))


@register_job("test.review")
def review(assignment: Assignment, stop: Stop, /) -> Outcome:
    """Give the notes that a model would give: full of praise."""
    case = {**raw_criteria()[0], "id": "once-more"}
    return Outcome(
        kind="done", result={"verdict": "pass", "summary": "Ship it.", "notes": [], "cases": [case]}
    )


def an_untested(tree: Path, *edits: Edit) -> Task:
    """Return the task that tests a release of the sample with these lines wrong, behind its package and review."""
    TREE["tar"] = packed(write_product(tree, *edits))
    product = a_product()
    a_release(product=product)
    Task.objects.filter(dag__product=product).update(state=Task.State.COMPLETED)
    an_agent("Hawk")
    steps: list[Any] = [
        TaskSpec(key="package", title="Pack", kind="test.pack"),
        TaskSpec(key="review", title="Review", kind="test.review"),
        TaskSpec(
            key="test", title="Break it", kind="quality.test", agent="Hawk", after=("package", "review")
        ),
    ]
    return a_graph(*steps, product=product).tasks.get(key="test")


def work_all() -> None:
    """Carry out whatever is ready."""
    while run_next(worker="w", stop=threading.Event(), carry_out=pack):
        pass


def test_a_good_release_by_one_provider_waits_for_the_owner_then_keeps_every_promise_and_is_judged_once(
    tmp_path: Path,
) -> None:
    task = an_untested(tmp_path / "tree")
    earlier = Attempt.objects.create(
        task=task, agent=task.agent, n=99, worker="w", state="failed", ended_at=task.created_at
    )
    for attempt in (Merge.objects.get().attempt, earlier):
        a_call(attempt, provider="anthropic")

    work_all()
    assert not Verdict.objects.exists()
    request = Request.objects.get()
    decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)
    work_all()

    result = Attempt.objects.get(task=task, result__isnull=False).result
    assert result is not None
    assert (result["passed"], result["promised"], result["kept"], result["reasons"]) == (True, 19, 19, [])
    verdict = Verdict.objects.get(pk=result["verdict_id"])
    assert (verdict.shared_provider, verdict.waiver) == ("anthropic", Decision.objects.get())
    assert {row.gate for row in verdict.results.all()} == {
        "tests", "journeys", "static", "secrets", "lock", "licences", "review",
    }  # fmt: skip
    assert [case["id"] for case in verdict.added] == ["hawk-once-more"]
    assert not Finding.objects.blocking().exists()
    again = services.test_artifact(
        verdict.artifact, reviewer=verdict.reviewer, answer=None, task_id=task.pk
    )  # as after a death
    assert again == verdict == Verdict.objects.get()


def test_a_wrong_line_is_red_with_file_and_line_whatever_hawk_says_and_a_hidden_promise_stays_hidden(
    tmp_path: Path,
) -> None:
    task = an_untested(tmp_path / "tree", FORMULA)

    work_all()

    result = Attempt.objects.get(task=task).result
    assert result is not None
    assert (result["passed"], result["kept"]) == (False, 18)
    assert not Request.objects.exists(), "nobody shares a provider"
    (finding,) = Finding.objects.blocking()
    assert finding.file == FORMULA.file
    assert abs(finding.line - FORMULA.line) <= 3
    assert finding.is_hidden
    words = hidden_words(*split_criteria(Product.objects.get().blueprint))
    told = json.dumps([result, findings_told(result["verdict_id"])], ensure_ascii=False)
    assert "export-runs-no-formula" in words
    assert not [word for word in words if word in told]
