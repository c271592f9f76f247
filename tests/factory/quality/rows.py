"""Rows for tests of verdicts: a product whose code an agent wrote, packed as a release."""

import io
import tarfile
from pathlib import Path
from typing import Any

from django.utils import timezone

from agents.gateway.models import Call, ModelEntry, Provider
from agents.roster.models import Agent
from core.ids import new_id
from core.models import Mode
from core.services import put_blob
from factory.repo.models import Merge
from factory.work.models import Artifact, Attempt
from factory.work.rules import TaskSpec
from portfolio.models import Product
from portfolio.services import open_product
from tests.builders import a_graph, an_agent
from tests.factory.quality.sample import raw_criteria


def a_product(**blueprint: Any) -> Product:
    """Return a product whose approved blueprint promises what the sample keeps."""
    said = {"name": "Certs", "stack_template": "saas-py", "criteria": raw_criteria(), **blueprint}
    return open_product(f"Certs {new_id()}"[:60], blueprint=said)


def packed(tree: Path | None) -> bytes:
    """Return a tree as it is released; None gives an empty one."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        if tree:
            archive.add(tree, arcname=".")
    return out.getvalue()


def a_release(
    *, author: Agent | None = None, product: Product | None = None, tree: Path | None = None
) -> Artifact:
    """Return a release in which `author` (Rex) wrote the code."""
    writer = author or Agent.objects.filter(name="Rex").first() or an_agent("Rex")
    code = TaskSpec(key="core", title="Write it", agent=writer.name, validator="repo.merge")
    pack = TaskSpec(key="package", title="Pack it", kind="repo.package", after=("core",))
    dag = a_graph(code, pack, product=product or a_product())
    written = _done(dag.tasks.get(key="core"), agent=writer)
    Merge.objects.create(attempt=written, commit=new_id().hex)
    made = _done(dag.tasks.get(key="package"), agent=None)
    blob = put_blob(packed(tree))
    return Artifact.objects.create(attempt=made, kind="release", name="release.tar", blob=blob)


def _done(task: Any, *, agent: Agent | None) -> Attempt:
    now = timezone.now()
    facts = {"task": task, "agent": agent, "n": 1, "worker": "test", "state": Attempt.State.DONE}
    return Attempt.objects.create(**facts, started_at=now, ended_at=now)


def a_call(attempt: Attempt, *, provider: str) -> Call:
    """Return a call of `attempt` that a model of `provider` answered."""
    maker, _ = Provider.objects.get_or_create(
        name=provider, defaults={"protocol": "openai", "base_url": "http://x"}
    )
    model, _ = ModelEntry.objects.get_or_create(
        provider=maker, name="m", defaults={"tier": "mid", "window_tokens": 1, "max_output_tokens": 1}
    )
    return Call.objects.create(
        agent=attempt.agent.name if attempt.agent else "",
        assignment_id=attempt.pk,
        model=model,
        tier="mid",
        task_type="coding",
        reason="a test",
        status=Call.Status.ANSWERED,
        bound_microusd=1,
        cost_microusd=1,
        prompt_sha256="0" * 64,
        mode=Mode.REHEARSAL,
        ended_at=timezone.now(),
    )
