"""From the owner's yes to a build graph, and from a red verdict to a mended product."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.models import Request
from approvals.rules import digest_of_effect
from approvals.services import use_decision
from core.ids import digest_of
from core.models import Mode
from core.money import MICROUSD_PER_USD, in_words
from core.registry import Question
from core.services import current_mode
from factory.pipeline.errors import SandboxUnavailable
from factory.pipeline.models import Objective, Quote
from factory.pipeline.rules.quote import in_hours
from factory.pipeline.services.discover import planned
from factory.pipeline.services.graphs import Bench
from factory.pipeline.services.objectives import follow_product
from factory.pipeline.services.quotes import quote_build
from factory.repo.services import python_for, repository_of
from factory.work.models import Dag
from factory.work.services import create_graph
from portfolio.models import Product
from portfolio.services import adopt_blueprint, approve_opportunity, change_stage

ACTION = "pipeline.build"
FITS = {"high": "well", "low": "badly: read closely what is left out"}
Json = Mapping[str, Any]


def binds_of(blueprint: Json, plan: Json) -> dict[str, object]:
    """Return what an approval to build is bound to; the words and prices of the card are part of it."""
    shown = {name: blueprint[name] for name in ("name", "tagline", "customer", "prices")}
    shown["sentence"] = blueprint["core_function"]["sentence"]
    return {"blueprint": digest_of(blueprint), "plan": digest_of(plan), "shown": shown}


def arguments_of(product: Product, *, task_id: UUID) -> dict[str, str]:
    """Return the arguments of the action that the owner approves."""
    return {"product_id": str(product.pk), "task_id": str(task_id)}


def question_about(product: Product, *, task_id: UUID, blueprint: Json, plan: Json) -> Question:
    """Return what the owner is asked before a product is built."""
    total = sum(task["max_cost_usd"] for task in plan["tasks"])
    quote = quote_build(product, task_id=task_id, tasks=planned(dict(plan)))
    features = [
        {"name": one["title"], "passed": None, "words": "to be built"} for one in blueprint["features"]
    ]
    left_out = "; ".join(f"{one['feature']} ({one['why']})" for one in blueprint["excluded"])
    prices = ", ".join(f"${one['usd_month']} a month for {one['limit']}" for one in blueprint["prices"])
    core = blueprint["core_function"]
    return Question(
        action=ACTION,
        arguments=arguments_of(product, task_id=task_id),
        title=f"Build {blueprint['name']}?"[:60],
        facts={
            "binds": binds_of(blueprint, plan),
            "reason": _sentences(
                blueprint["tagline"], core["sentence"], f"For {_lowered(blueprint['customer'])}, at {prices}"
            ),
            "on_yes": f"Rex and Pixel write it in {len(plan['tasks'])} steps, Hawk tries to break it; you are asked again "
            f"before anybody can use it. Not built: {left_out}.",
            "on_no": "Nothing is built. The idea, its evidence and this blueprint are kept.",
            "is_reversible": True,
            "undo": "Can be stopped at any time; what was spent until then is gone",
            "worst_case_microusd": min(total * MICROUSD_PER_USD, quote.stop_microusd),
            "evidence": [quoted(quote), *_readings(blueprint), *features],
            "diff": "\n".join(
                f"+ {task['title']} ({task['agent']}, at most ${task['max_cost_usd']})"
                for task in plan["tasks"]
            ),
            "product": blueprint["name"],
        },
    )


def quoted(quote: Quote) -> dict[str, object]:
    """Return a quote as one line of the question whether to build."""
    words = f"Cost {quote.cost.words}" if quote.unknown else f"{quote.cost.words} expected"
    words += f", {in_hours(quote.low_s)} to {in_hours(quote.high_s)} of work"
    words += f"; stops by itself at {in_words(quote.stop_microusd)}"
    words += f". Not known: {', '.join(quote.unknown)}" if quote.unknown else ""
    words += ". Rehearsed" if quote.mode == Mode.REHEARSAL else ""
    return {"name": "Quote", "passed": None, "words": words}


def _lowered(text: str) -> str:
    """Return `text` as it stands inside a sentence; a name in capitals stays."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _sentences(*parts: str) -> str:
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in map(str.strip, parts))


def _readings(blueprint: Json) -> list[dict[str, object]]:
    """Say how the idea was read: the owner corrects it here."""
    core = blueprint["core_function"]
    fit = {
        "name": "How the idea was read",
        "passed": blueprint["fit"] == "high",
        "words": f"as a {core['kind']} of {core['label']}; it fits {FITS[blueprint['fit']]}",
    }
    promises = {
        "name": "Promises",
        "passed": True,
        "words": f"{len(blueprint['criteria'])} of them, each driven by code before anybody meets the product",
    }
    return [fit, promises]


def open_build(product: Product, *, task_id: UUID, blueprint: Json, plan: Json) -> Dag:
    """Use the owner's approval of exactly this blueprint and plan, and begin the build; once begun, return it.

    Raises:
        SandboxUnavailable: a real model would write the code.
        ApprovalMissing: no approval of exactly this is in force; nothing happened.
    """
    key = f"build:{product.pk}"
    if begun := Dag.objects.filter(key=key).first():
        return begun
    if current_mode() == Mode.REAL:
        raise SandboxUnavailable
    python = str(python_for(blueprint["stack_template"]))
    with transaction.atomic():
        digest = digest_of_effect(ACTION, arguments_of(product, task_id=task_id), binds_of(blueprint, plan))
        use_decision(action=ACTION, digest=digest)
        if product.opportunity:
            approve_opportunity(product.opportunity, reason="the owner approved blueprint and plan")
        adopt_blueprint(product, blueprint=blueprint)
        change_stage(product, to=Product.Stage.BUILD, reason="the owner approved blueprint and plan")
        follow_product(
            product.pk, to=Objective.State.RUNNING, actor="owner", reason="blueprint and plan are approved"
        )
        return create_graph(
            product=product,
            title=f"Build {product.name}",
            tasks=Bench(product, python=python).build(planned(dict(plan))),
            scope=product.scope,
            correlation_id=product.correlation_id,
            key=key,
        )


def open_release(product: Product) -> Dag:
    """Test what main stands at and ask whether to release it: the owner's own commits take this way too. Source: U-22."""
    bench = Bench(product, python=str(python_for(product.blueprint["stack_template"])))
    proof = bench.proof(after=(), n=1, test_key="test")
    launch = bench.launch(key="deploy", title="Bring it to its users", after=("test",))
    return create_graph(
        product=product,
        title=f"Release {product.name}",
        tasks=[*proof, launch],
        scope=product.scope,
        correlation_id=product.correlation_id,
        key=f"release:{product.pk}:{repository_of(product.pk).tip()}",
    )


def note_question(request_id: str) -> None:
    """Let what was asked for wait while the owner has the question whether to build it."""
    request = Request.objects.filter(pk=request_id, action=ACTION, state=Request.State.PENDING).first()
    if request is not None:
        product_id = request.arguments["product_id"]
        follow_product(
            product_id, to=Objective.State.AWAITING_APPROVAL, actor=request.asked_by, reason=request.title
        )
