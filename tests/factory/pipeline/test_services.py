"""From the proposal to the build: rules judge, the owner decides, hidden promises stay hidden."""

import json
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from approvals.errors import ApprovalMissing
from approvals.models import Request
from approvals.services import decide_request, expire_requests
from core.models import Installation
from core.registry import Assignment, Limits, Outcome, Stop, find_job
from core.services import advance_to
from factory.pipeline.errors import BlueprintInvalid, SandboxUnavailable
from factory.pipeline.rules.blueprint import check_blueprint
from factory.pipeline.services.build import ACTION, open_build
from factory.pipeline.services.discover import discover, judge_blueprint, judge_plan
from factory.pipeline.services.graphs import Bench
from factory.quality.rules.criteria import hidden_words, spelled
from factory.quality.rules.evidence import Fault, Severity, told
from factory.quality.services import split_criteria
from factory.work.models import Attempt, Dag, Task
from factory.work.services import finish_attempt
from portfolio.models import Opportunity, Product
from tests.builders import a_user

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


def held(task: Task) -> Attempt:
    """Return an attempt that a worker holds at `task`, whatever the task waited for."""
    attempt = Attempt.objects.create(
        task=task, agent=task.agent, n=1, worker="test", started_at=timezone.now()
    )
    lease = {"lease": attempt.pk, "fence": 1, "leased_until": timezone.now() + timedelta(seconds=90)}
    Task.objects.filter(pk=task.pk).update(state=Task.State.RUNNING, open_dependencies=0, **lease)
    return attempt


def an_offer(task: Task, result: Json) -> Attempt:
    """Return an attempt at `task` that offers `result`."""
    attempt = held(task)
    finish_attempt(attempt.pk, Outcome(kind="done", result=result))
    return Attempt.objects.select_related("task__dag__product").get(pk=attempt.pk)


def at_the_gate(product: Product, blueprint: Json, plan: Json) -> tuple[Task, Assignment]:
    """Return the gate's task and the assignment it is carried out with."""
    task = discover(product).tasks.get(key="gate")
    upstream = {
        "blueprint": {"result": blueprint, "artifacts": []},
        "plan": {"result": plan, "artifacts": []},
    }
    assignment = Assignment(
        id=uuid4(), reuse_key=task.pk, agent="Kev", kind="pipeline.ask_to_build", title="", brief="",
        inputs={"upstream": upstream, "arguments": task.arguments}, answer_schema=None, workspace=None, token="",
        scopes=(), limits=Limits(),
    )  # fmt: skip
    return task, assignment


def asked(product: Product, blueprint: Json, plan: Json) -> Request:
    """Return the request that the gate puts before the owner, with its task waiting for it."""
    task, assignment = at_the_gate(product, blueprint, plan)
    outcome = find_job("pipeline.ask_to_build")(assignment, Stop())
    finish_attempt(held(task).pk, outcome)
    return Request.objects.get(action=ACTION)


def test_a_blueprint_of_the_rehearsal_keeps_every_rule(blueprint: Json) -> None:
    criteria = check_blueprint(blueprint, build_cap_usd=Decimal(70))

    assert len(criteria) == len(blueprint["criteria"]) >= 15


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("prices", 0, "usd_month"), 7, r"\$7 a month"),
        (("stack_template",), "rails", "rails"),
        (("maximum_investment_usd",), 71, r"\$71"),
        (("features", 0, "id"), "F9", "F9"),
        (("criteria", 0, "then", "status"), 99, "criteria|status|minimum"),
    ],
)
def test_each_broken_rule_of_a_blueprint_is_named(
    blueprint: Json, place: tuple[Any, ...], value: object, words: str
) -> None:
    broken = deepcopy(blueprint)
    inner: Any = broken
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value

    with pytest.raises(BlueprintInvalid, match=words):
        check_blueprint(broken, build_cap_usd=Decimal(70))


def test_a_good_blueprint_and_plan_are_accepted(venture: Product, blueprint: Json, plan: Json) -> None:
    tasks = {task.key: task for task in discover(venture).tasks.all()}

    judge_blueprint(an_offer(tasks["blueprint"], blueprint))
    judge_plan(an_offer(tasks["plan"], plan))

    done = {task.key: task.state for task in Task.objects.filter(key__in=["blueprint", "plan"])}
    assert done == {"blueprint": Task.State.COMPLETED, "plan": Task.State.COMPLETED}


def test_a_plan_with_a_cycle_is_refused_listing_it_and_tried_again(venture: Product, plan: Json) -> None:
    task = discover(venture).tasks.get(key="plan")
    parts = {one["part"]: one["id"] for one in plan["tasks"]}
    plan["edges"].append({"before": parts["integration"], "after": parts["core"]})

    attempt = an_offer(task, plan)
    judge_plan(attempt)

    attempt.refresh_from_db()
    assert "CYCLE" in attempt.error
    assert parts["integration"] in attempt.error
    assert Task.objects.get(pk=task.pk).state in (Task.State.RETRYING, Task.State.READY)


def test_discovering_twice_makes_one_graph(venture: Product) -> None:
    assert discover(venture) == discover(venture)


def test_the_owner_sees_what_is_read_promised_left_out_and_the_worst_case(
    venture: Product, blueprint: Json, plan: Json
) -> None:
    request = asked(venture, blueprint, plan)

    words = " ".join(f"{row['name']} {row['words']}" for row in request.evidence)
    assert request.worst_case_microusd == 1_000_000 * sum(task["max_cost_usd"] for task in plan["tasks"])
    assert blueprint["excluded"][0]["feature"] in request.on_yes
    assert blueprint["features"][0]["title"] in words
    assert request.title == f"Build {blueprint['name']}?"


def test_a_yes_begins_the_build_with_the_approved_blueprint(
    venture: Product, blueprint: Json, plan: Json
) -> None:
    request = asked(venture, blueprint, plan)
    decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)
    task = Task.objects.get(key="gate")

    dag = open_build(venture, task_id=task.pk, blueprint=blueprint, plan=plan)

    venture.refresh_from_db()
    assert task.state == Task.State.READY
    assert (venture.stage, venture.name) == ("build", blueprint["name"])
    kinds = {one.key: one.kind for one in dag.tasks.all()}
    assert {"repo.scaffold", "repo.package", "quality.test", "delivery.launch", "agent"} == set(
        kinds.values()
    )


def test_a_gate_that_died_after_it_began_the_build_goes_on_with_that_build(
    venture: Product, blueprint: Json, plan: Json
) -> None:
    request = asked(venture, blueprint, plan)
    decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)
    task, assignment = at_the_gate(venture, blueprint, plan)
    again = Assignment(**{**vars(assignment), "decisions": Task.objects.get(pk=task.pk).decisions})
    first = find_job("pipeline.ask_to_build")(again, Stop())

    second = find_job("pipeline.ask_to_build")(again, Stop())

    assert second == first
    assert Dag.objects.filter(key__startswith="build:").count() == 1


def test_one_changed_letter_of_the_blueprint_is_not_what_was_approved(
    venture: Product, blueprint: Json, plan: Json
) -> None:
    request = asked(venture, blueprint, plan)
    decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)
    task = Task.objects.get(key="gate")

    with pytest.raises(ApprovalMissing):
        open_build(venture, task_id=task.pk, blueprint={**blueprint, "tagline": "Other"}, plan=plan)

    assert not Dag.objects.filter(key__startswith="build:").exists()


def test_a_no_builds_nothing_and_keeps_why(venture: Product, blueprint: Json, plan: Json) -> None:
    request = asked(venture, blueprint, plan)

    decide_request(request.pk, answer="reject", by=a_user(), digest=request.digest, words="Too small.")

    idea = Opportunity.objects.get(product=venture)
    assert (idea.state, idea.reason) == (Opportunity.State.DECLINED, "Too small.")
    assert Task.objects.get(key="gate").state == Task.State.DEAD_LETTER
    assert not Dag.objects.filter(key__startswith="build:").exists()


def test_silence_builds_nothing(venture: Product, blueprint: Json, plan: Json) -> None:
    request = asked(venture, blueprint, plan)

    advance_to(request.deadline)
    expire_requests()

    assert Opportunity.objects.get(product=venture).state == Opportunity.State.DECLINED
    assert Request.objects.get().state == Request.State.EXPIRED
    assert not Dag.objects.filter(key__startswith="build:").exists()


def test_a_change_asks_atlas_and_kev_again_with_the_owners_words(
    venture: Product, blueprint: Json, plan: Json
) -> None:
    request = asked(venture, blueprint, plan)
    decide_request(
        request.pk, answer="change", by=a_user(), digest=request.digest, words="Call it Nightwatch."
    )
    _, assignment = at_the_gate(venture, blueprint, plan)
    told = {**vars(assignment), "decisions": Task.objects.get(key="gate").decisions}

    find_job("pipeline.ask_to_build")(Assignment(**told), Stop())

    assert "Call it Nightwatch." in Task.objects.get(key="blueprint-2").brief
    assert Task.objects.filter(key="gate-2").exists()


def test_the_third_change_is_a_no(venture: Product, blueprint: Json, plan: Json) -> None:
    request = asked(venture, blueprint, plan)
    gate = Task.objects.get(key="gate")
    Task.objects.filter(pk=gate.pk).update(arguments={**gate.arguments, "round": 3})

    decide_request(request.pk, answer="change", by=a_user(), digest=request.digest, words="Once more.")

    assert Opportunity.objects.get(product=venture).state == Opportunity.State.DECLINED
    assert not Task.objects.filter(key__endswith="-4").exists()


def test_with_a_real_model_nothing_is_built_before_there_is_a_sandbox(
    venture: Product, blueprint: Json, plan: Json
) -> None:
    Installation.objects.update(mode="real")

    with pytest.raises(SandboxUnavailable):
        open_build(venture, task_id=uuid4(), blueprint=blueprint, plan=plan)


def test_no_builder_is_told_a_word_of_a_hidden_promise(
    venture: Product, blueprint: Json, plan: Json, settings: Settings
) -> None:
    request = asked(venture, blueprint, plan)
    decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)
    dag = open_build(venture, task_id=Task.objects.get(key="gate").pk, blueprint=blueprint, plan=plan)
    shown, hidden = split_criteria(blueprint)

    builders = dag.tasks.filter(agent__name__in=["Rex", "Pixel"])

    assert len(hidden) >= 3
    words = hidden_words(shown, hidden)
    told = [json.dumps([task.brief, task.arguments, task.title]) for task in builders]
    assert len(told) >= 4
    assert [word for word in words for text in told if word in text] == []


def test_who_mends_is_told_nothing_of_a_hidden_promise(venture: Product, blueprint: Json) -> None:
    venture.blueprint = blueprint
    shown, hidden = split_criteria(blueprint)
    fault = Fault(
        Severity.HIGH, f"200, but {hidden[0].then.text!r} stands there", file="jobs/rules.py", line=7, method="GET",
        path="/jobs/", expected=200, seen=500, criterion=spelled(hidden[0]),
    )  # fmt: skip

    mend, *proof = Bench(venture, python="python").mending(
        [told(fault, is_hidden=True)], n=2, test_key="test"
    )

    assert [
        word for word in hidden_words(shown, hidden) if word in json.dumps([mend.brief, mend.arguments])
    ] == []
    assert all(wanted in mend.brief for wanted in ("jobs/rules.py", "GET", "/jobs/", "500"))
    assert [spec.key for spec in proof] == ["package-2", "review-2", "test-2"]
    assert mend.after == ("test",), "neither Hawk's notes nor his cases are handed to who mends"
