"""The sweeper and the boot: whatever was lost on the way, nothing stays stuck, and nothing happens twice."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from agents.runtime.models import Session
from approvals.errors import AlreadyDecided
from approvals.models import Decision, Request
from approvals.services import decide_request
from core.registry import Assignment, Outcome, Question, TaskSpec, register_action
from core.services import put_blob
from factory.work.models import Effect, Task
from factory.work.services import (
    Deed,
    Done,
    carry_out_once,
    finish_attempt,
    intend,
    refuse_task,
    resume_task,
    sweep,
)
from factory.work.services.attempts import recover_dead
from tests.builders import a_graph, a_user
from tests.factory.work.hands import a_hand, an_agents_task, carry_out, take

pytestmark = pytest.mark.django_db
DEED = Deed("test.letter", {"to": "Ada"}, title="Write to Ada")


def not_now(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let the asking task end."""
    refuse_task(UUID(arguments["task_id"]), words="no")


@register_action("work.test_letter", schema={"type": "object"}, on_no=not_now)
def write_it(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Write down what will be done, and let the asking task go on."""
    request = Decision.objects.select_related("request").get(pk=decision_id).request
    intend(UUID(arguments["task_id"]), DEED, request=request)
    resume_task(UUID(arguments["task_id"]), {"answer": "approve"})


def asked() -> tuple[Assignment, Request]:
    """Return the attempt that asked, and its question."""
    an_agents_task(type="write")
    assignment = take("asker")
    assert assignment is not None
    arguments = {"task_id": str(assignment.reuse_key)}
    question = Question(action="work.test_letter", arguments=arguments, title="Write?", facts={})
    finish_attempt(assignment.id, Outcome(kind="waiting", question=question))
    return assignment, Request.objects.get()


@pytest.mark.parametrize("deaths", [0, 1, 2], ids=["the asker lives", "the next one dies", "two die"])
def test_a_yes_is_carried_out_exactly_once_whoever_dies_after_it(deaths: int) -> None:
    letters: list[str] = []
    _, request = asked()
    recover_dead(is_dead=lambda worker: True)
    owner = a_user()
    decide_request(request.pk, answer="approve", by=owner, digest=request.digest)
    with pytest.raises(AlreadyDecided):
        decide_request(request.pk, answer="approve", by=owner, digest=request.digest)
    first_row = Effect.objects.get()

    def write(key: str) -> Done:
        letters.append(key)
        return Done(external_id="1")

    for n in range(deaths):
        attempt = take(f"elsewhere-{n}")
        assert attempt is not None
        carry_out_once(attempt, DEED, do=write)
        recover_dead(is_dead=lambda worker: True)
    last = take("last")
    assert last is not None
    effect = carry_out_once(last, DEED, do=write)
    finish_attempt(last.id, Outcome(kind="done"))

    assert (first_row.state, first_row.request_id) == ("intent", request.pk)
    assert (len(letters), effect.state, Decision.objects.count()) == (1, "done", 1)
    assert Task.objects.get().state == "completed"


def test_while_nothing_is_lost_there_is_nothing_to_sweep() -> None:
    asked()
    one, two = a_hand().name, a_hand().name
    a_graph(
        TaskSpec(key="a", title="A", agent=one, type="write"),
        TaskSpec(key="b", title="B", agent=two, type="write", after=("a",)),
    )
    take()

    assert sweep() == 0


def test_a_task_that_waits_for_nothing_goes_on() -> None:
    one, two = a_hand().name, a_hand().name
    graph = a_graph(
        TaskSpec(key="a", title="A", agent=one, type="write"),
        TaskSpec(key="b", title="B", agent=two, type="write", after=("a",)),
    )
    carry_out()
    Task.objects.filter(key="b").update(state="pending", open_dependencies=1)

    swept = sweep(), sweep()

    task = graph.tasks.get(key="b")
    assert (swept, task.state, task.open_dependencies) == ((1, 0), "ready", 0)


def test_a_parent_whose_children_are_done_goes_on() -> None:
    task = an_agents_task(type="write")
    assignment = take()
    assert assignment is not None
    child = TaskSpec(key="a", title="A", agent=a_hand().name, type="write")
    finish_attempt(assignment.id, Outcome(kind="wants_children", children=(child,)))
    carry_out()
    Task.objects.filter(pk=task.pk).update(state="waiting", open_dependencies=1, version=99)

    assert (sweep(), Task.objects.get(pk=task.pk).state) == (1, "ready")


@pytest.mark.parametrize("state", ["expired", "withdrawn", "rejected"])
def test_a_task_whose_question_is_over_does_not_wait_for_ever(state: str) -> None:
    assignment, request = asked()
    Request.objects.filter(pk=request.pk).update(state=state)

    assert (sweep(), sweep()) == (1, 0)
    assert Task.objects.get(pk=assignment.reuse_key).state == "dead_letter"


def test_a_session_without_an_attempt_is_closed_and_a_living_one_is_not() -> None:
    an_agents_task(type="write")
    living, dead = take(), None
    an_agents_task(type="write")
    dead = take()
    assert living is not None
    assert dead is not None
    for assignment in (living, dead):
        agent = Task.objects.select_related("agent__version").get(pk=assignment.reuse_key).agent
        assert agent is not None
        Session.objects.create(
            assignment_id=assignment.id, reuse_key=assignment.reuse_key, agent=agent, agent_version=agent.version,
            prompt=put_blob(b"x"), title="x", started_at=timezone.now(),
        )  # fmt: skip
    finish_attempt(dead.id, Outcome(kind="failed", error_class="permanent"))

    assert (sweep(), sweep()) == (1, 0)
    assert dict(Session.objects.values_list("assignment_id", "state")) == {
        living.id: "running",
        dead.id: "stopped",
    }
