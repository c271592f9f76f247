"""Questions to the owner: most are answered, some wait; and the releases that followed a yes."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, cast

from approvals.models import Decision, Request
from approvals.rules import digest_of_effect
from factory.console.management.sample.bulk import insert_rows
from factory.console.management.sample.ground import DAYS, Ground
from factory.console.management.sample.work import Pile
from factory.delivery.models import Release
from factory.delivery.services.releases import ACTION as RELEASE
from factory.pipeline.services.build import ACTION as BUILD
from factory.quality.models import Finding, GateResult, Verdict
from factory.quality.services import WAIVE
from factory.work.models import Artifact, Task
from portfolio.models import Product

WAITING: Final = 30
VERSIONS: Final = 4
GATES: Final = ("tests", "journeys", "static", "secrets", "lock", "licences", "review")
ENDS: Final = (
    *[Request.State.USED] * 6, Request.State.APPROVED, Request.State.REJECTED, Request.State.REJECTED, Request.State.CHANGED, Request.State.EXPIRED,
)  # fmt: skip
ANSWERS: Final = {
    Request.State.USED: Decision.Answer.APPROVE,
    Request.State.APPROVED: Decision.Answer.APPROVE,
    Request.State.REJECTED: Decision.Answer.REJECT,
    Request.State.CHANGED: Decision.Answer.CHANGE,
}
TITLES: Final = {
    BUILD: "Build {name} for at most $70.00?",
    RELEASE: "Open the new version of {name}?",
    WAIVE: "Let one maker review {name}?",
}
DIFF: Final = "@@ -12,3 +12,4 @@\n def due(job):\n-    return job.last_ping < now\n+    late = now - job.grace\n+    return job.last_ping < late"


def invent_asks(ground: Ground, pile: Pile, *, count: int) -> None:
    """Write the releases of live products with their yes, and questions until there are `count`."""
    past = _releases(ground, pile)
    requests, decisions = past.requests, past.decisions
    waiting = [task for task in pile.tasks if task.state == Task.State.WAITING]
    others = [task for task in pile.tasks if task.agent_id and task.state == Task.State.COMPLETED]
    for task in waiting:
        request = _request(
            ground, BUILD, task=task, state=Request.State.PENDING, asked=ground.ago(minutes=90)
        )
        Task.objects.filter(pk=task.pk).update(question=request.pk)
        requests.append(request)
    while len(requests) < count:
        is_open = sum(one.state == Request.State.PENDING for one in requests) < min(WAITING, count // 3)
        task, age = ground.dice.choice(others), timedelta(days=ground.dice.uniform(1, DAYS))
        state = Request.State.PENDING if is_open else ground.dice.choice(ENDS)
        asked = ground.ago(minutes=ground.dice.randint(5, 600)) if is_open else ground.now - age
        request = _request(ground, ground.dice.choice((BUILD, WAIVE)), task=task, state=state, asked=asked)
        requests.append(request)
        decisions += _decisions(ground, request)
    past.write()


def _request(ground: Ground, action: str, *, task: Task, state: str, asked: datetime, **more: Any) -> Request:
    product = cast(Product, task.dag.product)
    arguments = (
        {"task_id": str(task.pk)} | ({"product_id": str(product.pk)} if action == BUILD else {}) | more
    )
    request_id = ground.new_id(asked)
    return Request(
        id=request_id, key=f"sample:{request_id}", action=action, arguments=arguments, digest=digest_of_effect(action, arguments, {}),
        title=TITLES[action].format(name=product.name)[:60], reason="The plan fits its limit and every check passed.",
        asked_by=f"agent:{ground.dice.choice(('Kev', 'Forge', 'Hawk', 'Atlas'))}", product=product.name,
        worst_case_microusd=ground.dice.choice((0, 5_000_000, 25_000_000, 70_000_000, None)),
        on_yes="The work goes on at once.", on_no="Nothing is done; the branch ends.", diff=DIFF if ground.dice.random() < 0.4 else "",
        evidence=[{"name": "Its own tests", "passed": True, "words": "41 of 41"}, {"name": "Promises", "passed": True, "words": "9 of 9"}],
        state=state, asked_at=asked, deadline=asked + timedelta(hours=24), correlation_id=product.correlation_id,
        created_at=ground.machine(asked),
    )  # fmt: skip


def _decisions(ground: Ground, request: Request) -> list[Decision]:
    """Return the one answer, when there was one."""
    answer = ANSWERS.get(Request.State(request.state))
    if answer is None:
        return []
    at = request.asked_at + timedelta(minutes=ground.dice.randint(1, 600))
    return [
        Decision(
            id=ground.new_id(at), request=request, answer=answer, by=ground.owner, digest_shown=request.digest, at=ground.machine(at),
            words="" if answer == Decision.Answer.APPROVE else "Smaller first.", business_at=at,
            used_at=at if request.state == Request.State.USED else None,
        )
    ]  # fmt: skip


@dataclass
class Past:
    """What was asked, answered and released."""

    requests: list[Request] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)

    def write(self) -> None:
        """Write everything, what is pointed at first."""
        insert_rows(self.requests)
        insert_rows(self.decisions)
        insert_rows(self.verdicts)
        insert_rows(
            [
                GateResult(verdict=one, gate=gate, passed=True, summary="nothing found")
                for one in self.verdicts
                for gate in GATES
            ]
        )
        insert_rows(
            [
                Finding(verdict=one, gate="review", severity="low", text="A name could be plainer.", file="jobs/views.py", line=12)
                for one in self.verdicts
            ]
        )  # fmt: skip
        insert_rows(self.releases)


def _releases(ground: Ground, pile: Pile) -> Past:
    """Return the last versions of each live product, the newest of them live, each with its yes."""
    past = Past()
    for product in ground.products:
        packed = [
            one for one in pile.artifacts if one.kind == "release" and one.attempt.task.dag.product == product
        ]
        shown = packed[-VERSIONS:] if product.launched_at else []
        for version, artifact in enumerate(shown, start=1):
            _release(ground, past, artifact, version=version, is_last=version == len(shown))
    return past


def _release(ground: Ground, past: Past, artifact: Artifact, *, version: int, is_last: bool) -> None:
    task, at = artifact.attempt.task, artifact.created_at - ground.drift
    product = cast(Product, task.dag.product)
    release_id = ground.new_id(at)
    request = _request(
        ground, RELEASE, task=task, state=Request.State.USED, asked=at, release_id=str(release_id)
    )
    past.requests.append(request)
    past.decisions += _decisions(ground, request)
    past.verdicts.append(_verdict(ground, product, artifact))
    past.releases.append(
        Release(
            id=release_id, product=product, artifact=artifact, verdict=past.verdicts[-1], decision=past.decisions[-1], version=version,
            digest=str(artifact.blob_id), state=Release.State.LIVE if is_last else Release.State.RETIRED, live_at=at,
            created_at=artifact.created_at, ended_at=None if is_last else at + timedelta(days=2), why="every probe was green",
        )
    )  # fmt: skip


def _verdict(ground: Ground, product: Product, artifact: Artifact) -> Verdict:
    return Verdict(
        id=ground.new_id(artifact.created_at), artifact=artifact, digest=str(artifact.blob_id), product=product, passed=True,
        reviewer=ground.agents["Hawk"], author=ground.agents["Rex"], at=artifact.created_at,
    )  # fmt: skip
