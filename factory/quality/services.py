"""The verbs of quality: measure one artifact, give the verdict that the evidence allows, tell what to mend."""

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from uuid import UUID

from django.db import transaction

from agents.gateway.models import Call
from agents.roster.models import Agent
from approvals.models import Decision
from approvals.rules import RequestDraft
from approvals.services import ask_owner, decide_request
from core.adapters.disk import needing_room
from core.ids import digest_of, new_id
from core.models import User
from core.services import publish, read_blob
from factory.quality.adapters.own_tests import run_own_tests
from factory.quality.adapters.promises import drive_promises
from factory.quality.adapters.scanners import check_licences, check_lock, scan_secrets, scan_static
from factory.quality.errors import NothingToJudge, ReviewNotIndependent
from factory.quality.models import Finding, GateResult, Verdict
from factory.quality.ports import Build, Gate
from factory.quality.rules.criteria import Criterion, hide, parse_criteria, spelled
from factory.quality.rules.evidence import Evidence, Fault, Severity, told
from factory.quality.rules.house import FEATURE as HOUSE
from factory.quality.rules.review import Review, objections, read_review
from factory.quality.rules.verdict import Ruling, rule_on
from factory.repo.models import Merge
from factory.repo.services import python_for, template_folder
from factory.work.models import Artifact, Attempt
from portfolio.models import Product

WAIVE = "quality.waive_provider"
WAIVE_BEFORE = "quality.waive_before"
# The two that take seconds first: the others run beside them.
GATES: tuple[Gate, ...] = (
    run_own_tests,
    drive_promises,
    scan_static,
    scan_secrets,
    check_lock,
    check_licences,
)


def split_criteria(blueprint: Mapping[str, Any]) -> tuple[tuple[Criterion, ...], tuple[Criterion, ...]]:
    """Return the criteria of an approved blueprint that its builders may see, and those they never see."""
    return hide(parse_criteria(blueprint["criteria"]), seed=digest_of(blueprint))


def test_artifact(
    artifact: Artifact, *, reviewer: Agent, answer: Mapping[str, Any] | None, task_id: UUID
) -> Verdict:
    """Measure and judge an artifact, once for the test `task_id`; a repeat returns the first verdict.

    Args:
        artifact: what was packed.
        reviewer: who signs.
        answer: the reviewer's opinion of the shape ReviewNotes; None: none.
        task_id: the test that asks.

    Raises:
        ReviewNotIndependent: nothing was measured.
        NothingToJudge: no agent's change is in it.
    """
    if given := Verdict.objects.filter(task=task_id).first():
        return given
    independence_of(artifact, reviewer=reviewer)
    review = read_review(answer)
    evidence = examine(artifact, review=review)
    return judge(artifact, reviewer=reviewer, evidence=evidence, review=review, task_id=task_id)


def examine(artifact: Artifact, *, review: Review) -> tuple[Evidence, ...]:
    """Measure what an artifact really does: every gate, side by side, on a copy that is thrown away.

    Raises:
        DiskFull: there was no room meanwhile, so what broke says nothing.
    """
    blueprint = _product_of(artifact).blueprint
    template = blueprint["stack_template"]
    with _unpacked(artifact) as tree:
        build = Build(
            tree=tree,
            skeleton=template_folder(template),
            python=python_for(template),
            criteria=parse_criteria(blueprint["criteria"]),
            added=review.added,
        )
        files = {str(path.relative_to(tree)) for path in tree.rglob("*")}
        with needing_room(tree, what=f"to test {artifact.name}"), ThreadPoolExecutor(len(GATES)) as pool:
            measured = tuple(pool.map(lambda gate: gate(build), GATES))
    return (*measured, objections(review, files=files))


@transaction.atomic
def judge(
    artifact: Artifact,
    *,
    reviewer: Agent,
    evidence: Sequence[Evidence],
    review: Review,
    task_id: UUID | None = None,
) -> Verdict:
    """Give the verdict that `evidence` allows, whatever the reviewer's model says; one for each test.

    Raises:
        ReviewNotIndependent: author and reviewer used models of one provider and the owner never waived that.
        NothingToJudge: no agent's change is in it.
    """
    author, shared = independence_of(artifact, reviewer=reviewer)
    ruling, product = rule_on(evidence), _product_of(artifact)
    verdict = Verdict.objects.create(
        artifact=artifact,
        digest=artifact.blob_id or "",
        product=product,
        reviewer=reviewer,
        author=author,
        shared_provider=shared,
        waiver=_waiver() if shared else None,
        passed=ruling.passed,
        reasons=list(ruling.reasons),
        promises=_promises(product, evidence),
        added=[spelled(case) for case in review.added],
        notes=list(review.notes),
        task_id=task_id,
    )
    _keep(verdict, evidence, ruling)
    publish(
        "quality.verdict_given",
        verdict_id=str(verdict.pk),
        product_id=str(product.pk),
        artifact_id=str(artifact.pk),
        passed=int(ruling.passed),
    )
    return verdict


def independence_of(artifact: Artifact, *, reviewer: Agent) -> tuple[Agent, str]:
    """Return the agent whose change came last, and the provider that reviewer and authors share ("": none).

    Raises:
        ReviewNotIndependent: the reviewer is an author, or a provider is shared and the owner never waived that.
        NothingToJudge: no agent's change is in it.
    """
    merges = Merge.objects.filter(
        attempt__task__dag__product=_product_of(artifact), attempt__agent__isnull=False
    )
    merged = list(merges.select_related("attempt__agent").order_by("at", "id"))
    if not merged:
        raise NothingToJudge(artifact=artifact.name)
    if any(merge.attempt.agent_id == reviewer.pk for merge in merged):
        raise ReviewNotIndependent(reviewer=reviewer.name, why="the reviewer wrote a part of it")
    reviews = Attempt.objects.filter(agent=reviewer, task__dag=artifact.attempt.task.dag_id)
    shared = _providers(merge.attempt_id for merge in merged) & _providers(
        reviews.values_list("pk", flat=True)
    )
    if shared and _waiver() is None:
        raise ReviewNotIndependent(reviewer=reviewer.name, provider=min(shared))
    return cast("Agent", merged[-1].attempt.agent), min(shared, default="")


def findings_told(verdict_id: UUID | str) -> list[dict[str, Any]]:
    """Return what an author may know of everything that must be mended; of hidden criteria no step and no text."""
    verdict = Verdict.objects.get(pk=verdict_id)
    found = verdict.findings.blocking().order_by("id")
    known = [told(_fault_of(finding), is_hidden=finding.is_hidden) for finding in found]
    silent = verdict.results.filter(passed=None)
    return known + [told(Fault(Severity.HIGH, str(result)), is_hidden=False) for result in silent]


def _product_of(artifact: Artifact) -> Product:
    product = artifact.attempt.task.dag.product
    if product is None or not artifact.blob_id:
        raise NothingToJudge(artifact=artifact.name)
    return product


@contextmanager
def _unpacked(artifact: Artifact) -> Iterator[Path]:
    """The artifact's tree in a folder of its own; links and paths that leave it are refused."""
    with TemporaryDirectory(prefix="judged-") as folder:
        tree = Path(folder).resolve() / "tree"
        with tarfile.open(fileobj=io.BytesIO(read_blob(artifact.blob_id or ""))) as archive:
            archive.extractall(tree, filter="data")
        yield tree


def _providers(assignment_ids: Iterable[UUID]) -> set[str]:
    """Whose models answered in these attempts."""
    calls = Call.objects.filter(assignment_id__in=list(assignment_ids), status=Call.Status.ANSWERED)
    return set(calls.values_list("model__provider_id", flat=True))


def _waiver() -> Decision | None:
    """The owner's recorded word that one provider may write and review. Source: U-8."""
    said = Decision.objects.filter(request__action__in=[WAIVE, WAIVE_BEFORE], answer=Decision.Answer.APPROVE)
    return said.order_by("-at").first()


def is_waived() -> bool:
    """Say whether the owner lets one maker write and review."""
    return _waiver() is not None


@transaction.atomic
def waive_review(*, by: User, channel: str = Decision.Channel.PAGE) -> Decision:
    """Record the owner's word, given before anything was built, that one maker may write and review. Safe to run twice.

    Raises:
        Forbidden: they are not the owner.
    """
    if (given := _waiver()) is not None:
        return given
    draft = RequestDraft(
        action=WAIVE_BEFORE,
        arguments={},
        title="May one model maker write and review?",
        reason="Author and reviewer use models of one maker; they may share its blind spots.",
        asked_by="the first day",
        on_yes="Reviews on another model of the same maker count; every such verdict says so.",
        on_no="Before its first verdict Hawk asks again.",
        worst_case_microusd=0,
        key=f"one-maker:{new_id()}",
    )
    asked = ask_owner(draft)
    return decide_request(
        asked.pk, answer=Decision.Answer.APPROVE, by=by, digest=asked.digest, channel=channel
    )


def _promises(product: Product, evidence: Sequence[Evidence]) -> dict[str, bool]:
    """Whether each criterion held; none did when the product could not be driven."""
    journeys = next((item for item in evidence if item.gate == "journeys"), None)
    was_driven = journeys is not None and "passed" in journeys.numbers
    broken = {fault.criterion["id"] for item in evidence for fault in item.findings if fault.criterion}
    return {item["id"]: was_driven and item["id"] not in broken for item in product.blueprint["criteria"]}


def _keep(verdict: Verdict, evidence: Sequence[Evidence], ruling: Ruling) -> None:
    """Write what was measured and found; what an earlier verdict found and this one does not is fixed."""
    GateResult.objects.bulk_create(
        GateResult(
            verdict=verdict,
            gate=item.gate,
            passed=item.passed,
            summary=item.summary,
            numbers=dict(item.numbers),
        )
        for item in evidence
    )
    shown, _ = split_criteria(verdict.product.blueprint)
    names = {criterion.id for criterion in shown}
    found = [_finding(verdict, item.gate, fault, shown=names) for item in evidence for fault in item.findings]
    Finding.objects.bulk_create(found)
    measured = [item.gate for item in evidence if item.passed is not None]
    earlier = (
        Finding.objects.of(verdict.product).exclude(verdict=verdict).filter(is_fixed=False, gate__in=measured)
    )
    again = {_what(finding) for finding in found}
    fixed = [finding.pk for finding in earlier if _what(finding) not in again]
    Finding.objects.filter(pk__in=fixed).update(is_fixed=True)


def _what(finding: Finding) -> tuple[str, str, str]:
    """What makes two findings of two verdicts the same."""
    promise = (finding.criterion or {}).get("id", "")
    return finding.gate, promise, "" if promise else f"{finding.file} {finding.text}"


def _finding(verdict: Verdict, gate: str, fault: Fault, *, shown: set[str]) -> Finding:
    promise = fault.criterion
    return Finding(
        verdict=verdict,
        gate=gate,
        severity=fault.severity.value,
        text=fault.text,
        file=fault.file[:300],
        line=fault.line,
        method=fault.method,
        path=fault.path[:300],
        expected=fault.expected,
        seen=fault.seen,
        criterion=dict(promise) if promise else None,
        is_hidden=promise is not None and promise["feature"] != HOUSE and promise["id"] not in shown,
    )


def _fault_of(finding: Finding) -> Fault:
    return Fault(
        Severity(finding.severity),
        finding.text,
        file=finding.file,
        line=finding.line,
        method=finding.method,
        path=finding.path,
        expected=finding.expected,
        seen=finding.seen,
        criterion=finding.criterion,
    )
