"""A stuck branch stays visible, and the owner has three ways on: cancel it, put something in its place, go without."""

from typing import Any

import pytest

from core.errors import BadArguments, NotFound
from core.ids import new_id
from core.models import AuditRow, Event
from core.registry import Assignment, Outcome, TaskSpec
from factory.work.errors import NothingStuck, PoisonedTask
from factory.work.models import Dag, Task
from factory.work.services import cancel_branch, cancel_task, continue_without, finish_attempt, replace_task
from tests.builders import a_graph
from tests.factory.work.hands import a_hand, carry_out, states_of, take

pytestmark = pytest.mark.django_db
BROKEN = Outcome(kind="failed", error_class="permanent", error="cannot be done")
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def a_fork(**facts: Any) -> Dag:
    """Return a graph of two branches that meet: a > b > d, a > c > d."""
    agents = {key: a_hand().name for key in "abcd"}
    after = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    said: dict[str, Any] = {"type": "write", **facts}
    return a_graph(
        *(TaskSpec(key=k, title=k.upper(), agent=agents[k], after=after[k], **said) for k in "abcd")
    )


def stuck(graph: Dag) -> Task:
    """Carry out the graph with b given up; return b."""
    for attempt in iter(take, None):
        is_b = Task.objects.get(pk=attempt.reuse_key).key == "b"
        ended(attempt, BROKEN if is_b else Outcome(kind="done", result={"n": 1}))
    graph.refresh_from_db()
    return graph.tasks.get(key="b")


def ended(attempt: Assignment, outcome: Outcome) -> None:
    """End a running attempt."""
    finish_attempt(attempt.id, outcome)


def test_what_waits_behind_a_task_that_was_given_up_stays_visible() -> None:
    graph = a_fork()

    stuck(graph)

    assert (graph.state, graph.closed_at) == ("stalled", None)
    assert states_of(graph) == {"a": "completed", "b": "dead_letter", "c": "completed", "d": "pending"}


def test_a_cancelled_branch_ends_with_everything_behind_it_and_the_graph_has_failed() -> None:
    graph = a_fork()
    lost = stuck(graph)

    cancel_branch(lost.pk, by="owner:ada", note="not worth it")

    graph.refresh_from_db()
    assert states_of(graph) == {"a": "completed", "b": "cancelled", "c": "completed", "d": "cancelled"}
    assert graph.state == "failed"
    assert [event.facts["state"] for event in Event.objects.filter(kind="work.graph_failed")] == ["failed"]
    assert (lost.dead_letters.get().resolution, lost.dead_letters.get().note) == ("cancelled", "not worth it")


def test_a_graph_that_reached_one_of_its_ends_is_completed_all_the_same() -> None:
    one, two = a_hand().name, a_hand().name
    graph = a_graph(
        TaskSpec(key="b", title="B", agent=one, type="write"),
        TaskSpec(key="c", title="C", agent=two, type="write"),
    )
    lost = stuck(graph)

    cancel_branch(lost.pk, by="owner:ada")

    graph.refresh_from_db()
    assert (states_of(graph), graph.state) == ({"b": "cancelled", "c": "completed"}, "completed")


def test_going_on_without_it_tells_those_who_waited_that_it_was_left_out() -> None:
    graph = a_fork()
    lost = stuck(graph)

    continue_without(lost.pk, by="owner:ada", note="go on")
    attempt = take()

    assert attempt is not None
    assert attempt.inputs["upstream"] == {
        "b": {"result": None, "artifacts": [], "left_out": True},
        "c": {"result": {"n": 1}, "artifacts": []},
    }
    ended(attempt, Outcome(kind="done"))
    graph.refresh_from_db()
    assert (graph.state, lost.dead_letters.get().resolution) == ("completed", "left_out")
    assert AuditRow.objects.get(verb="work.continue_without").actor == "owner:ada"


def test_a_new_brief_and_another_agent_begin_anew() -> None:
    graph, other = a_fork(), a_hand()
    lost = stuck(graph)

    replaced = replace_task(lost.pk, by="owner:ada", brief="Do it in another way.", agent=other.name)
    attempt = take()

    assert attempt is not None
    assert (replaced.pk, attempt.reuse_key) == (lost.pk, lost.pk)
    assert (attempt.brief, attempt.agent, attempt.last_error) == (
        "Do it in another way.",
        other.name,
        "cannot be done",
    )
    assert lost.dead_letters.get().resolution == "changed"


def test_a_result_of_the_owners_own_stands_in_its_place() -> None:
    graph = a_fork(answer_schema=SCHEMA, validator="schema")
    lost = stuck(graph)

    replace_task(lost.pk, by="owner:ada", result={"n": 7})
    given = carry_out(Outcome(kind="done", result={"n": 7}))
    attempt = take()

    assert given is not None
    assert given.kind == "work.given_result"
    assert attempt is not None
    assert attempt.inputs["upstream"]["b"]["result"] == {"n": 7}


def test_a_result_that_does_not_fit_and_an_agent_nobody_knows_are_refused() -> None:
    graph = a_fork(answer_schema=SCHEMA, validator="schema")
    lost = stuck(graph)

    with pytest.raises(BadArguments):
        replace_task(lost.pk, by="owner:ada", result={"n": "seven"})
    with pytest.raises(BadArguments):
        replace_task(lost.pk, by="owner:ada", agent="Nobody")
    with pytest.raises(PoisonedTask):
        replace_task(lost.pk, by="owner:ada")

    assert Task.objects.get(pk=lost.pk).state == "dead_letter"
    assert lost.dead_letters.get().resolution == ""


def test_in_the_place_of_a_cancelled_task_stands_a_new_one() -> None:
    graph = a_fork()
    first = take()
    assert first is not None
    ended(first, Outcome(kind="done", result={"n": 1}))
    gone = graph.tasks.get(key="b")
    cancel_task(gone.pk, by="owner:ada")
    graph.refresh_from_db()
    stalled = graph.state

    new = replace_task(gone.pk, by="owner:ada", brief="Once more.")
    while carry_out(Outcome(kind="done", result={"n": 2})):
        pass

    graph.refresh_from_db()
    assert (stalled, new.key, new.brief, new.source) == ("stalled", "b-again-2", "Once more.", "human")
    assert list(new.dependencies.values_list("depends_on__key", flat=True)) == ["a"]
    assert (states_of(graph)["d"], states_of(graph)["b"], graph.state) == (
        "completed",
        "cancelled",
        "completed",
    )


def test_a_cancelled_task_can_be_left_out_as_well() -> None:
    graph = a_fork()
    cancel_task(graph.tasks.get(key="b").pk, by="owner:ada")

    continue_without(graph.tasks.get(key="b").pk, by="owner:ada")
    while carry_out():
        pass

    graph.refresh_from_db()
    assert (states_of(graph)["d"], graph.state) == ("completed", "completed")


def test_where_nothing_is_stuck_there_is_nothing_to_choose() -> None:
    graph = a_fork()
    task = graph.tasks.get(key="a")

    for choose in (cancel_branch, continue_without):
        with pytest.raises(NothingStuck):
            choose(task.pk, by="owner:ada")
    with pytest.raises(NothingStuck):
        replace_task(task.pk, by="owner:ada", brief="x")
    with pytest.raises(NotFound):
        cancel_branch(new_id(), by="owner:ada")

    assert states_of(graph)["a"] == "ready"


def test_a_choice_is_made_once() -> None:
    lost = stuck(a_fork())

    continue_without(lost.pk, by="owner:ada")

    for choose in (cancel_branch, continue_without):
        with pytest.raises(NothingStuck):
            choose(lost.pk, by="owner:ada")
