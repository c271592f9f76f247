"""A graph grows while it runs, all or nothing, and never forgets an edge."""

import pytest
from django.db import transaction

from core.models import Event
from core.registry import Outcome
from factory.work.errors import CycleDetected, GraphRefused
from factory.work.models import Dag
from factory.work.rules import TaskSpec
from factory.work.services import cancel_task, extend_graph, finish_attempt
from tests.builders import a_graph
from tests.factory.work.hands import carry_out, states_of, take

pytestmark = pytest.mark.django_db


def a_job(key: str, *after: str) -> TaskSpec:
    """Return a job that waits for these."""
    return TaskSpec(key=key, title=key, kind="test.nothing", after=after)


def a_build() -> Dag:
    """Return code, its test, and the release that waits for the test."""
    return a_graph(a_job("code"), a_job("test", "code"), a_job("deploy", "test"))


def test_what_waits_for_finished_work_is_ready_and_what_waits_for_open_work_is_not() -> None:
    dag = a_build()
    carry_out()

    extend_graph(dag, tasks=[a_job("lint", "code"), a_job("report", "lint", "deploy"), a_job("alone")])

    assert states_of(dag) == {
        "code": "completed",
        "test": "ready",
        "deploy": "pending",
        "lint": "ready",
        "report": "pending",
        "alone": "ready",
    }
    assert dag.tasks.get(key="report").open_dependencies == 2


def test_a_pending_task_waits_from_now_on_for_the_new_ones_as_well() -> None:
    dag = a_build()
    carry_out()

    extend_graph(dag, tasks=[a_job("mend"), a_job("again", "mend")], before="deploy")
    after_test = [carry_out(), carry_out(), states_of(dag)["deploy"]][-1]
    carry_out()

    assert after_test == "pending"
    assert states_of(dag)["deploy"] == "ready"
    waits_for = dag.tasks.get(key="deploy").dependencies.values_list("depends_on__key", flat=True)
    assert set(waits_for) == {"test", "again"}


def test_the_same_tasks_again_change_nothing() -> None:
    dag = a_build()
    extend_graph(dag, tasks=[a_job("mend")], before="deploy")

    extend_graph(dag, tasks=[a_job("mend")], before="deploy")

    assert dag.tasks.get(key="deploy").open_dependencies == 2
    assert Event.objects.filter(kind="work.graph_extended").count() == 1


def test_a_circle_through_the_new_tasks_is_refused_and_nothing_is_added() -> None:
    dag = a_build()

    with pytest.raises(CycleDetected), transaction.atomic():
        extend_graph(dag, tasks=[a_job("mend", "deploy")], before="deploy")

    assert set(states_of(dag)) == {"code", "test", "deploy"}
    assert dag.tasks.get(key="deploy").open_dependencies == 1


def test_begun_work_and_closed_graphs_take_nothing_more() -> None:
    dag = a_build()
    take()

    with pytest.raises(GraphRefused, match="no longer pending"), transaction.atomic():
        extend_graph(dag, tasks=[a_job("mend")], before="code")
    with pytest.raises(GraphRefused, match="which is not in the graph"), transaction.atomic():
        extend_graph(dag, tasks=[a_job("mend", "nowhere")])
    for task in dag.tasks.all():
        cancel_task(task.pk, by="owner:ada")
    with pytest.raises(GraphRefused, match="the graph is cancelled"), transaction.atomic():
        extend_graph(dag, tasks=[a_job("mend")])


def test_a_result_under_way_frees_what_was_added_behind_it_meanwhile() -> None:
    dag = a_build()
    running = take()
    assert running is not None

    extend_graph(dag, tasks=[a_job("lint", "code")])
    finish_attempt(running.id, Outcome(kind="done"))

    assert states_of(dag)["lint"] == "ready"


def test_a_graph_never_passes_two_hundred_tasks() -> None:
    dag = a_build()
    many = [a_job(str(n)) for n in range(198)]

    with pytest.raises(GraphRefused, match="201 tasks"), transaction.atomic():
        extend_graph(dag, tasks=many)

    assert dag.tasks.count() == 3
