"""From the owner's yes to a build graph, and from a red verdict to a mended product."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.rules import digest_of_effect
from approvals.services import use_decision
from core.ids import digest_of
from core.models import Mode
from core.money import MICROUSD_PER_USD
from core.registry import Question
from core.services import current_mode
from factory.pipeline.errors import SandboxUnavailable
from factory.pipeline.rules.answers import REVIEW_NOTES
from factory.pipeline.rules.briefs import (
    code_brief,
    may_write,
    mend_brief,
    review_brief,
    shown_blueprint,
)
from factory.pipeline.rules.plan import Planned
from factory.pipeline.services.discover import planned
from factory.quality.services import split_criteria
from factory.repo.services import VALIDATOR as MERGE_JUDGE
from factory.repo.services import python_for, repository_of
from factory.work.models import Dag
from factory.work.rules import TaskSpec, Workspace
from factory.work.services import create_graph, extend_graph
from portfolio.models import Product
from portfolio.services import adopt_blueprint, approve_opportunity, change_stage

ACTION = "pipeline.build"
VERDICT_JUDGE = "pipeline.verdict"
MOST_MENDS = 3
Json = Mapping[str, Any]


def binds_of(blueprint: Json, plan: Json) -> dict[str, str]:
    """Return what an approval to build is bound to."""
    return {"blueprint": digest_of(blueprint), "plan": digest_of(plan)}


def arguments_of(product: Product, *, task_id: UUID) -> dict[str, str]:
    """Return the arguments of the action that the owner approves."""
    return {"product_id": str(product.pk), "task_id": str(task_id)}


def question_about(product: Product, *, task_id: UUID, blueprint: Json, plan: Json) -> Question:
    """Return what the owner is asked before a product is built."""
    total = sum(task["max_cost_usd"] for task in plan["tasks"])
    features = [{"name": one["id"], "passed": None, "words": one["title"]} for one in blueprint["features"]]
    excluded = [
        {"name": "not built", "passed": None, "words": f"{one['feature']}: {one['why']}"}
        for one in blueprint["excluded"]
    ]
    prices = ", ".join(f"${one['usd_month']} a month for {one['limit']}" for one in blueprint["prices"])
    core = blueprint["core_function"]
    return Question(
        action=ACTION,
        arguments=arguments_of(product, task_id=task_id),
        title=f"Build {blueprint['name']}?"[:60],
        facts={
            "binds": binds_of(blueprint, plan),
            "reason": f"{blueprint['tagline']} {core['sentence']} For {blueprint['customer']}, at {prices}.",
            "on_yes": f"Rex and Pixel write it in {len(plan['tasks'])} steps, Hawk tries to break it; you are asked again before anybody can use it.",
            "on_no": "Nothing is built. The idea, its evidence and this blueprint are kept.",
            "worst_case_microusd": min(total, 70) * MICROUSD_PER_USD,
            "evidence": [*_readings(blueprint), *features, *excluded],
            "diff": "\n".join(
                f"+ {task['title']} ({task['agent']}, at most ${task['max_cost_usd']})"
                for task in plan["tasks"]
            ),
            "product": blueprint["name"],
        },
    )


def _readings(blueprint: Json) -> list[dict[str, object]]:
    """Say how the idea was read: the owner corrects it here."""
    core = blueprint["core_function"]
    fit = {
        "name": "fit",
        "passed": blueprint["fit"] == "high",
        "words": f"read as a {core['kind']} of {core['label']}; fit {blueprint['fit']}",
    }
    promises = {
        "name": "promises",
        "passed": True,
        "words": f"{len(blueprint['criteria'])} promises that code can drive",
    }
    return [fit, promises]


def open_build(product: Product, *, task_id: UUID, blueprint: Json, plan: Json) -> Dag:
    """Use the owner's approval of exactly this blueprint and plan, and begin the build.

    Raises:
        SandboxUnavailable: a real model would write the code.
        ApprovalMissing: no approval of exactly this is in force; nothing happened.
    """
    if current_mode() == Mode.REAL:
        raise SandboxUnavailable
    python = python_for(blueprint["stack_template"])
    with transaction.atomic():
        digest = digest_of_effect(ACTION, arguments_of(product, task_id=task_id), binds_of(blueprint, plan))
        use_decision(action=ACTION, digest=digest)
        if product.opportunity:
            approve_opportunity(product.opportunity, reason="the owner approved blueprint and plan")
        adopt_blueprint(product, blueprint=blueprint)
        change_stage(product, to=Product.Stage.BUILD, reason="the owner approved blueprint and plan")
        return create_graph(
            product=product,
            title=f"Build {product.name}",
            tasks=build_tasks(product, planned(dict(plan)), python=str(python)),
            scope=product.scope,
            correlation_id=product.correlation_id,
            key=f"build:{product.pk}",
        )


def open_release(product: Product) -> Dag:
    """Test what main stands at and ask whether to release it: the owner's own commits take this way too. Source: U-22."""
    repository = repository_of(product.pk)
    python = str(python_for(product.blueprint["stack_template"]))
    proof = _proof(product, after=(), python=python, n=1, test_key="test")
    deploy = TaskSpec(
        key="deploy", title="Bring it to its users", kind="delivery.launch", agent="Forge", type="deploy",
        after=("test",), arguments=_common(product, stage="LAUNCH"),
    )  # fmt: skip
    return create_graph(
        product=product,
        title=f"Release {product.name}",
        tasks=[*proof, deploy],
        scope=product.scope,
        correlation_id=product.correlation_id,
        key=f"release:{product.pk}:{repository.tip()}",
    )


def build_tasks(product: Product, plan: Sequence[Planned], *, python: str) -> list[TaskSpec]:
    """Return the graph of a build: the planned tasks, and what the platform does between them."""
    steps = {"code": _code_task, "test": _test_task, "deploy": _deploy_task}
    made: list[TaskSpec] = []
    for task in plan:
        if task.part == "scaffold":
            made.append(_scaffold_task(product, task))
        else:
            made += steps[task.type](product, task, python) if task.type in steps else []
    return made


def _common(product: Product, *, stage: str, **more: Any) -> dict[str, Any]:
    return {"stage": stage, "product_id": str(product.pk), **more}


def _scaffold_task(product: Product, task: Planned) -> TaskSpec:
    return TaskSpec(
        key=task.id, title=task.title, kind="repo.scaffold", agent=task.agent, type="code", after=task.after,
        arguments=_common(product, stage="BUILD", template=product.blueprint["stack_template"]),
    )  # fmt: skip


def _code_task(product: Product, task: Planned, python: str) -> list[TaskSpec]:
    files = may_write(task.part, app=product.blueprint["core_function"]["app"])
    brief = code_brief(task, blueprint=_shown(product), files=files)
    return [
        TaskSpec(
            key=task.id, title=task.title, agent=task.agent, type="code", brief=brief, after=task.after,
            max_cost_microusd=task.max_cost_usd * MICROUSD_PER_USD, may_write=files, validator=MERGE_JUDGE,
            workspace=_workspace(product, task.id), arguments=_common(product, stage="BUILD", python=python),
        )
    ]  # fmt: skip


def _test_task(product: Product, task: Planned, python: str) -> list[TaskSpec]:
    return _proof(product, after=task.after, python=python, n=1, test_key=task.id)


def _proof(product: Product, *, after: tuple[str, ...], python: str, n: int, test_key: str) -> list[TaskSpec]:
    """Return package, review and test: what every change goes through before users may meet it."""
    end = "" if n == 1 else f"-{n}"
    common = _common(product, stage="BUILD", python=python, round=n)
    package = TaskSpec(
        key=f"package{end}", title="Pack what main stands at", kind="repo.package", agent="Forge", type="deploy",
        after=after, arguments=common,
    )  # fmt: skip
    review = TaskSpec(
        key=f"review{end}", title="Think of cases that the promises miss", agent="Hawk", type="review",
        brief=review_brief(product.blueprint), answer_schema=REVIEW_NOTES, validator="schema", after=(package.key,),
        arguments=common,
    )  # fmt: skip
    test = TaskSpec(
        key=test_key, title="Try to break it", kind="quality.test", agent="Hawk", type="test",
        after=(package.key, review.key), validator=VERDICT_JUDGE, arguments=common,
    )  # fmt: skip
    return [package, review, test]


def _deploy_task(product: Product, task: Planned, python: str) -> list[TaskSpec]:
    return [
        TaskSpec(
            key=task.id, title=task.title, kind="delivery.launch", agent=task.agent, type="deploy", after=task.after,
            arguments=_common(product, stage="LAUNCH"),
        )
    ]  # fmt: skip


def _workspace(product: Product, key: str) -> Workspace:
    repository = repository_of(product.pk)
    return Workspace(repository=str(repository.path), base="main", branch=f"agent/{key}")


def _shown(product: Product) -> dict[str, Any]:
    shown, _ = split_criteria(product.blueprint)
    return shown_blueprint(product.blueprint, shown=shown)


def mend(
    product: Product, dag: Dag, *, round_n: int, test_key: str, findings: Sequence[Json], python: str
) -> None:
    """Send what Hawk found back to Rex, and test again before anything is released."""
    n, sources = round_n + 1, _sources(product, findings)
    review = TaskSpec(
        key=f"notes-{n}", title="Find where it comes from", agent="Hawk", type="review", answer_schema=REVIEW_NOTES,
        validator="schema", after=(test_key,), arguments=_common(product, stage="BUILD", round=n),
        brief=review_brief(product.blueprint, findings=findings, sources=sources),
    )  # fmt: skip
    fix = TaskSpec(
        key=f"mend-{n}", title="Mend what Hawk found", agent="Rex", type="code", validator=MERGE_JUDGE,
        brief=mend_brief(blueprint=_shown(product), findings=findings), after=(review.key,),
        workspace=_workspace(product, f"mend-{n}"), arguments=_common(product, stage="BUILD", python=python),
    )  # fmt: skip
    proof = _proof(product, after=(fix.key,), python=python, n=n, test_key=f"test-{n}")
    deploy = dag.tasks.filter(kind="delivery.launch").values_list("key", flat=True).first() or ""
    extend_graph(dag, tasks=[review, fix, *proof], before=deploy)


def _sources(product: Product, findings: Sequence[Json]) -> dict[str, str]:
    repository = repository_of(product.pk)
    tip, app = repository.tip(), product.blueprint["core_function"]["app"]
    named = {str(finding["file"]) for finding in findings if finding.get("file")}
    wanted = [
        path
        for path in repository.files(tip)
        if path in named or path.startswith((f"{app}/", f"templates/{app}/"))
    ]
    return {
        path: repository.text_of(tip, path)
        for path in wanted
        if "/tests/" not in path and "/migrations/" not in path
    }
