"""A claim passes one gate, takes the first in line, and gives everything an attempt needs."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.roster.models import Agent, CapabilityToken
from agents.roster.services import switch_agent
from billing.models import Scope
from billing.services import clear_switch, factory_scope, set_limit, set_switch, team_scope
from core.registry import ArtifactDraft, Outcome
from core.services import business_now, found_installation, start_again, stop_everything
from factory.work.models import Artifact, Attempt, Dag, Task
from factory.work.rules import TaskSpec, Workspace
from factory.work.services import (
    claim_task,
    finish_attempt,
    hold_switched,
    read_admission,
    readmit,
    start_attempt,
)
from tests.builders import a_graph, a_task
from tests.factory.console.story import a_product
from tests.factory.work.hands import a_hand, an_agents_task, carry_out, states_of, take

pytestmark = pytest.mark.django_db


def test_nothing_to_do_is_no_error() -> None:
    assert claim_task(worker="w") is None


def test_a_claim_writes_lease_fence_and_attempt_together() -> None:
    task = an_agents_task()

    assignment = claim_task(worker="w")

    assert assignment is not None
    task.refresh_from_db()
    attempt = task.attempts.get()
    assert (task.state, task.lease, task.fence, task.leased_to) == ("claimed", attempt.pk, 1, "w")
    assert (attempt.pk, attempt.n, attempt.state, attempt.worker) == (assignment.id, 1, "open", "w")
    assert (assignment.reuse_key, assignment.agent) == (task.pk, str(task.agent))
    assert task.dag.tasks.get().dag.state == "running"


def test_a_schema_keeps_the_order_in_which_a_model_shall_answer() -> None:
    properties = {name: {"type": "string"} for name in ("why", "answer", "certainty", "a")}
    an_agents_task(answer_schema={"type": "object", "properties": properties})

    assignment = claim_task(worker="w")

    assert assignment is not None
    assert assignment.answer_schema is not None
    assert list(assignment.answer_schema["properties"]) == ["why", "answer", "certainty", "a"]


def test_while_everything_is_stopped_nothing_is_claimed_and_tasks_stay_ready() -> None:
    found_installation("rehearsal")
    task = an_agents_task()
    a_task(kind="test.nothing", priority=99)
    stop_everything(by="owner:ada")

    stopped = claim_task(worker="w")

    task.refresh_from_db()
    assert (stopped, task.state) == (None, "ready")
    assert read_admission().refusal(task) == "everything is stopped"
    start_again(by="owner:ada")
    assert claim_task(worker="w") is not None


def test_an_agent_that_is_off_or_busy_gets_nothing_and_others_do() -> None:
    off, busy = a_hand(), a_hand(max_parallel=2)
    switch_agent(off.name, is_enabled=False, by="owner:ada")
    waits = a_task(agent=off.name)
    held = [a_task(agent=busy.name) for _ in range(3)]
    job = a_task(kind="test.nothing", priority=99)

    claimed = [take() for _ in range(4)]

    assert [one and one.reuse_key for one in claimed] == [held[0].pk, held[1].pk, job.pk, None]
    refusals = [read_admission().refusal(task) for task in (waits, held[2])]
    assert refusals == [f"{off.name} is switched off", f"{busy.name} has enough to do"]
    switch_agent(off.name, is_enabled=True, by="owner:ada")
    assert take() is not None


def test_a_used_up_budget_holds_agents_back_but_not_the_platform() -> None:
    task, job = an_agents_task(), a_task(kind="test.nothing")
    set_limit(factory_scope(), period="day", cap_microusd=40_000)

    claimed = [take(), take()]

    assert [one and one.reuse_key for one in claimed] == [job.pk, None]
    assert "budget has only $0.04 left" in read_admission().refusal(task)
    task.refresh_from_db()
    assert task.held == f"budget:{factory_scope().pk}"
    set_limit(factory_scope(), period="day", cap_microusd=60_000)
    assert (readmit(), readmit()) == (1, 0)
    assert take() is not None


@pytest.mark.parametrize("kind", ["agent", "team", "product"])
def test_work_of_who_is_switched_off_is_kept_out_of_the_line_until_that_is_over(kind: str) -> None:
    task, other = an_agents_task(), a_task(kind="test.nothing")
    agent = Agent.objects.get(name=str(task.agent))
    product = a_product("Leaf")
    Dag.objects.filter(pk=task.dag_id).update(product=product)
    Scope.objects.filter(pk=agent.scope_id).update(parent=team_scope("build"))
    ref = {"agent": agent.name, "team": "build", "product": "leaf"}[kind]
    set_switch(kind, ref, by="owner:ada", reason="too dear")

    held = hold_switched(), hold_switched()
    claimed = [take(), take()]

    assert (held, [one and one.reuse_key for one in claimed]) == ((1, 0), [other.pk, None])
    task.refresh_from_db()
    assert (task.held, readmit()) == (f"switch:{kind}:{ref}", 0)
    assert read_admission().refusal(task) == f"{ref} is switched off"
    clear_switch(kind, ref, by="owner:ada")
    assert (readmit(), readmit()) == (1, 0)
    assert take() is not None


def test_a_graph_without_money_does_not_hold_up_the_graphs_behind_it() -> None:
    rex = a_hand()
    spec = TaskSpec(key="a", title="A", agent=rex.name, type="write")
    a_graph(
        *[TaskSpec(key=str(n), title="T", agent=rex.name, type="write") for n in range(3)],
        max_cost_microusd=0,
    )
    behind = a_graph(spec)

    assignment = take()

    assert assignment is not None
    assert states_of(behind) == {"a": "running"}


def test_urgent_work_goes_first_then_age_then_what_is_due() -> None:
    late = a_task(kind="test.nothing", priority=60)
    plain = a_task(kind="test.nothing", priority=50)
    urgent = a_task(kind="test.nothing", priority=5)
    due = a_task(kind="test.nothing", priority=60, due_at=business_now() + timedelta(hours=2))

    order = [one.reuse_key for one in iter(take, None)]

    assert order == [urgent.pk, due.pk, plain.pk, late.pk]


def test_what_no_release_can_carry_out_is_parked_with_a_sentence() -> None:
    task, good = a_task(kind="test.nothing"), a_task(kind="test.nothing")
    Task.objects.filter(pk=task.pk).update(kind="gone.job")

    assignment = take()

    task.refresh_from_db()
    assert assignment is not None
    assert assignment.reuse_key == good.pk
    assert task.state == "dead_letter"
    assert "gone.job" in task.dead_letters.get().error


def test_the_assignment_says_what_came_before_and_reading_it_counts() -> None:
    dag = a_graph(
        TaskSpec(key="core", title="Core", kind="test.nothing"),
        TaskSpec(key="next", title="Next", kind="test.nothing", after=("core",), arguments={"size": 3}),
    )
    made = ArtifactDraft(kind="report", name="r", content=b"{}", facts={"lines": 2})
    kept = ArtifactDraft(kind="log", name="l", is_final=True)
    carry_out(Outcome(kind="done", result={"x": 1}, artifacts=(made, kept)))
    unread = list(Artifact.objects.unread())

    assignment = take()

    assert assignment is not None
    before = assignment.inputs["upstream"]["core"]
    report = Artifact.objects.get(name="r")
    assert [artifact.name for artifact in unread] == ["r"]
    assert assignment.inputs["arguments"] == {"size": 3}
    assert before["result"] == {"x": 1}
    assert before["artifacts"][0] == {
        "id": str(report.pk),
        "kind": "report",
        "name": "r",
        "sha256": report.blob_id,
        "facts": {"lines": 2},
    }
    assert not Artifact.objects.unread().exists()
    assert list(Attempt.objects.filter(has_read=report).values_list("pk", flat=True)) == [assignment.id]
    assert states_of(dag) == {"core": "completed", "next": "running"}


def test_the_assignment_names_place_payers_limits_and_story() -> None:
    rex = a_hand()
    dag = a_graph(
        TaskSpec(
            key="a",
            title="A",
            agent=rex.name,
            type="code",
            validator="tests",
            max_cost_microusd=70_000,
            may_write=("app/**",),
            workspace=Workspace(repository="repos/linkly.git", branch="agent/a"),
        )
    )

    assignment = take()

    assert assignment is not None
    place, task = assignment.workspace, dag.tasks.get()
    assert place is not None
    assert (place.repository, place.commit, place.branch) == (Path("repos/linkly.git"), "main", "agent/a")
    assert place.may_write == ("app/**",)
    assert assignment.scopes == (task.scope_id, dag.scope_id, factory_scope().pk, rex.scope_id)
    assert (assignment.limits.cost_microusd, assignment.limits.seconds) == (70_000, 4 * 3600)
    assert assignment.correlation_id == dag.correlation_id


def test_the_token_of_an_attempt_ends_with_it() -> None:
    an_agents_task()
    assignment = take()
    assert assignment is not None
    during = CapabilityToken.objects.live(timezone.now()).count()

    finish_attempt(assignment.id, Outcome(kind="done"))

    assert bool(assignment.token)
    assert during == 1
    assert not CapabilityToken.objects.live(timezone.now()).exists()


def test_the_database_refuses_a_second_open_attempt_and_a_fence_used_twice() -> None:
    task = an_agents_task()
    claim_task(worker="w")

    with pytest.raises(IntegrityError), transaction.atomic():
        Attempt.objects.create(task=task, n=2, worker="x")
    with pytest.raises(IntegrityError), transaction.atomic():
        Attempt.objects.create(task=task, n=1, worker="x", state="failed", ended_at=timezone.now())
    with pytest.raises(IntegrityError, match="ended_attempts_say_when"), transaction.atomic():
        Attempt.objects.create(task=task, n=3, worker="x", state="failed")


def test_a_claim_is_begun_once() -> None:
    an_agents_task()
    assignment = take()
    assert assignment is not None

    with pytest.raises(Exception, match="LEASE_LOST"):
        start_attempt(assignment.id)
