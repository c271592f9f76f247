"""A product on its way to users: packed, tested, asked about, answered."""

import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from approvals.models import Request
from approvals.services import decide_request
from core.models import User
from core.registry import Assignment, Outcome, Stop, find_job, register_job
from core.services import found_installation
from factory.delivery.models import Release
from factory.quality.models import Verdict
from factory.work.models import Artifact, Dag, Task
from factory.work.rules import TaskSpec
from factory.work.services import finish_attempt, pause_graph
from portfolio.models import Product
from tests.builders import a_graph, a_product, a_user, a_verdict, an_artifact
from tests.factory.quality.sample import SKELETON
from tests.factory.work.hands import take


def a_step(path: str, *, method: str = "GET") -> dict[str, Any]:
    """Return a request of a stranger, as a blueprint spells it."""
    nothing: dict[str, Any] = {"form": [], "json": [], "headers": [], "times": 1, "keep": ""}
    return {"as": "nobody", "method": method, "path": path, **nothing}


def a_promise(name: str, path: str, *, method: str = "GET", status: int = 200) -> dict[str, Any]:
    """Return a criterion of one request."""
    then = {"status": status, "text": "", "absent": "", "times": 0}
    return {"id": name, "feature": "F1", "given": [], "when": a_step(path, method=method), "then": then}


PROMISES = [a_promise("opens", "/"), a_promise("takes-orders", "/orders/", method="POST")]
MANAGE = """
import os, sqlite3
with sqlite3.connect(os.environ["PRODUCT_DB"]) as base:
    base.execute("CREATE TABLE IF NOT EXISTS steps (number TEXT)")
    base.execute("INSERT INTO steps VALUES ('{number}')")
{more}
"""


def packed(files: dict[str, str]) -> bytes:
    """Return files as a tar; the same files give the same bytes."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, text in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()


def packed_tree(tree: Path) -> bytes:
    """Return a folder as a tar."""
    return packed(
        {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}
    )


def a_small_release(number: str, *, more: str = "") -> bytes:
    """Return a release whose migrations leave a line in the database, and which nobody needs to run."""
    lock = (SKELETON / "requirements.txt").read_text()
    return packed({"manage.py": MANAGE.format(number=number, more=more), "requirements.txt": lock})


@register_job("test.judged")
def judged(assignment: Assignment, stop: Stop) -> Outcome:
    """Hand on a verdict that was given before."""
    return Outcome(kind="done", result={"verdict_id": assignment.inputs["arguments"]["verdict_id"]})


@dataclass(frozen=True)
class Launch:
    """One release, the task that brings it to users, and the artifact it was made of."""

    task: Task
    artifact: Artifact

    @property
    def release(self) -> Release:
        """As it is now."""
        return Release.objects.select_related("product").get(artifact=self.artifact)

    @property
    def request(self) -> Request:
        """The newest question about it."""
        return Request.objects.filter(arguments__task_id=str(self.task.pk)).latest("created_at")

    @property
    def state(self) -> str:
        """Where its task stands."""
        return Task.objects.get(pk=self.task.pk).state


@dataclass
class Venture:
    """One product and its owner."""

    promises: list[dict[str, Any]] = field(default_factory=lambda: PROMISES)
    name: str = "Certbook"

    def __post_init__(self) -> None:
        found_installation("rehearsal")
        self.product: Product = a_product(self.name, criteria=self.promises)
        self.owner: User = a_user()

    def offer(self, content: bytes) -> Launch:
        """Pack and test a release; the owner is asked about it. What earlier ones left in the queue rests."""
        for dag in Dag.objects.filter(closed_at=None):
            pause_graph(dag.pk, by="test")
        artifact = an_artifact(self.product, content=content)
        launch = self.launch(artifact, verdict=a_verdict(artifact))
        run_job()
        run_job()
        return launch

    def launch(self, artifact: Artifact, *, verdict: Verdict) -> Launch:
        """Return the graph that brings an artifact to users, not begun."""
        test = TaskSpec(
            key="test", title="Try to break it", kind="test.judged", arguments={"verdict_id": str(verdict.pk)}
        )
        deploy = TaskSpec(
            key="deploy",
            title="Bring it to its users",
            kind="delivery.launch",
            type="deploy",
            after=("test",),
        )
        graph = a_graph(test, deploy, product=self.product, scope=self.product.scope)
        return Launch(graph.tasks.get(key="deploy"), artifact)

    def answer(self, launch: Launch, answer: str = "approve", *, words: str = "") -> None:
        """Let the owner answer what was asked."""
        request = launch.request
        decide_request(request.pk, answer=answer, by=self.owner, digest=request.digest, words=words)

    def approved(self, content: bytes) -> Launch:
        """Offer a release, and let the owner say yes."""
        launch = self.offer(content)
        self.answer(launch)
        return launch


def run_job(stop: Stop | None = None) -> Outcome:
    """Claim the next task, carry it out, and end it."""
    assignment = take()
    assert assignment is not None, "no task was ready"
    outcome = find_job(assignment.kind)(assignment, stop or Stop())
    finish_attempt(assignment.id, outcome)
    return outcome
