"""Rows for tests: each builder fills in what the test does not care about."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.utils import timezone

from agents.gateway.ports import Ask, Intent, Message
from agents.roster.models import Agent, AgentVersion
from agents.roster.rules import Definition
from agents.roster.services import issue_token
from approvals.models import Request
from approvals.rules import RequestDraft
from approvals.services import ask_owner
from billing.models import Scope
from billing.services import factory_scope, open_scope, set_limit
from core.adapters import git
from core.ids import digest_of, new_id
from core.models import User
from core.registry import Assignment, Limits
from core.services import put_blob
from factory.quality.models import Verdict
from factory.work.models import Artifact, Attempt, Dag, Task
from factory.work.rules import TaskSpec
from factory.work.services import create_graph
from portfolio.models import Product
from portfolio.services import open_product


def a_user(*, role: str = User.Role.OWNER, name: str = "", is_simulated: bool = False) -> User:
    """Return a person who signs in."""
    return User.objects.create(username=name or f"user-{new_id()}", role=role, is_simulated=is_simulated)


def a_request(*, action: str, arguments: dict[str, Any] | None = None, **card: Any) -> Request:
    """Return a question that waits for the owner; its action must be registered."""
    said = {
        "title": "Start building Linkly?", "reason": "The plan fits.", "asked_by": "agent:Kev", "on_yes": "Work starts.",
        "on_no": "Nothing is built.", "worst_case_microusd": 70_000_000, "key": str(new_id()),
    }  # fmt: skip
    return ask_owner(RequestDraft(action=action, arguments=arguments or {}, **{**said, **card}))


def a_scope(*, kind: str = Scope.Kind.TASK, ref: str = "", **caps_microusd: int) -> Scope:
    """Return an address of money with the limits of the table, and with these instead: `life=1_000_000`."""
    name = ref or f"{kind}-{new_id()}"
    scope = open_scope(kind=kind, ref=name, label=f"{kind.capitalize()} {name}")
    for period, cap_microusd in caps_microusd.items():
        set_limit(scope, period=period, cap_microusd=cap_microusd)
    return scope


def a_factory_limit(**caps_microusd: int) -> Scope:
    """Return the factory's scope with these limits: `day=1_000_000`."""
    for period, cap_microusd in caps_microusd.items():
        set_limit(factory_scope(), period=period, cap_microusd=cap_microusd)
    return factory_scope()


def an_agent(
    name: str = "Rex", *, front: dict[str, Any] | None = None, version: AgentVersion | None = None
) -> Agent:
    """Return a member of staff who works, with what `front` says and every default."""
    said = Definition.model_validate({"name": name, "role": "tester", **(front or {})}).model_dump(
        mode="json"
    )
    made = version or AgentVersion.objects.create(
        name=name, sha256=digest_of([str(new_id())]), front=said, body=f"You are {name}."
    )
    return Agent.objects.create(
        name=name,
        role="tester",
        is_enabled=True,
        version=made,
        scope=a_scope(kind=Scope.Kind.AGENT, ref=name),
    )


def a_repository(bare: Path) -> Path:
    """Return a bare repository whose main has two commits of one README."""
    work = bare.with_suffix(".work")
    work.mkdir(parents=True)
    git.run("init", "-q", cwd=work)
    for words in ("first", "first\nsecond"):
        (work / "README.md").write_text(f"{words}\n")
        git.run("add", "-A", cwd=work)
        git.run("commit", "-qm", words, cwd=work, who="factory")
    git.run("clone", "-q", "--bare", "--no-hardlinks", work, bare, cwd=work)
    shutil.rmtree(work)
    return bare


def an_assignment(agent: Agent, **said: Any) -> Assignment:
    """Return one attempt of `agent`, with a token of its own; a later attempt is `replace(it, id=new_id())`."""
    attempt = new_id()
    token = issue_token(agent=agent, assignment_id=attempt, expires_at=timezone.now() + timedelta(hours=1))
    common: dict[str, Any] = {
        "id": attempt, "reuse_key": new_id(), "agent": agent.name, "kind": "agent", "title": "Write the API",
        "brief": "Task: write the API", "inputs": {}, "answer_schema": None, "workspace": None, "token": token,
        "scopes": (agent.scope_id,), "limits": Limits(max_tokens=1_000),
    }  # fmt: skip
    return Assignment(**{**common, **said})


def a_graph(*tasks: TaskSpec, key: str = "", **facts: Any) -> Dag:
    """Return a graph that the factory pays for."""
    said = {"product": None, "title": "A graph", "scope": factory_scope(), "correlation_id": new_id()}
    return create_graph(tasks=tasks, key=key or str(new_id()), **{**said, **facts})


def a_task(**facts: Any) -> Task:
    """Return the one task of a graph of its own, ready for a worker; whose it is, `kind` or `agent` says."""
    return a_graph(TaskSpec(**{"key": "only", "title": "A task", "type": "write", **facts})).tasks.get()


def an_ask(*, text: str = "Think about monitoring.", scopes: tuple[UUID, ...] = (), **said: Any) -> Ask:
    """Return a model call of Rex, paid by a task of its own."""
    given: dict[str, Any] = {
        "agent": "Rex", "assignment_id": new_id(), "scopes": scopes or (a_scope().id,), "system": "You are Rex.",
        "messages": (Message("user", text),), "max_tokens": 1_000, "intent": Intent(quality="best"), "correlation_id": new_id(),
    }  # fmt: skip
    return Ask(**{**given, **said})


def a_product(name: str = "Certbook", **blueprint: Any) -> Product:
    """Return a product whose blueprint was approved and whose code was tested."""
    said = {"name": name, "stack_template": "saas-py", "criteria": [], **blueprint}
    return open_product(name, stage=Product.Stage.LAUNCH, blueprint=said)


def an_artifact(product: Product, *, content: bytes) -> Artifact:
    """Return a packed release of `product`, made by a finished attempt."""
    graph = create_graph(
        product=product, title="Pack it", scope=product.scope, correlation_id=product.correlation_id, key=str(new_id()),
        tasks=[TaskSpec(key="package", title="Pack it", kind="repo.package", type="deploy")],
    )  # fmt: skip
    task, now = graph.tasks.get(), timezone.now()
    attempt = Attempt.objects.create(
        task=task, n=1, worker="w", state=Attempt.State.DONE, started_at=now, ended_at=now
    )
    Task.objects.filter(pk=task.pk).update(state=Task.State.COMPLETED)
    return Artifact.objects.create(
        attempt=attempt, kind="release", name="release.tar", blob=put_blob(content)
    )


def a_verdict(artifact: Artifact, *, passed: bool = True, reasons: tuple[str, ...] = ()) -> Verdict:
    """Return a ruling on `artifact`, the newest one."""
    product = artifact.attempt.task.dag.product
    assert product is not None
    author, reviewer = (
        Agent.objects.filter(name=name).first() or an_agent(name) for name in ("Author", "Reviewer")
    )
    return Verdict.objects.create(
        artifact=artifact, digest=artifact.blob_id or "", product=product, reviewer=reviewer, author=author, passed=passed,
        reasons=list(reasons), promises={item["id"]: passed for item in product.blueprint["criteria"]},
    )  # fmt: skip
