"""A graph is made whole or not at all, and closes once."""

import pytest
from django.db import IntegrityError, transaction

from billing.models import Scope
from core.models import Event
from factory.work.errors import CycleDetected, GraphRefused
from factory.work.models import Dag, Dependency, Task
from factory.work.rules import TaskSpec
from factory.work.services import (
    cancel_graph,
    cancel_task,
    pause_graph,
    read_admission,
    readmit,
    unpause_graph,
)
from portfolio.services import freeze_product, open_product, thaw_product
from tests.builders import a_graph, a_scope
from tests.factory.work.hands import carry_out, states_of

pytestmark = pytest.mark.django_db


def a_chain(*keys: str) -> list[TaskSpec]:
    """Return jobs of which each waits for the one before."""
    return [
        TaskSpec(key=key, title=key, kind="test.nothing", after=tuple(keys[n - 1 : n]))
        for n, key in enumerate(keys)
    ]


def test_first_tasks_are_ready_and_the_others_wait() -> None:
    dag = a_graph(*a_chain("a", "b", "c"))

    assert states_of(dag) == {"a": "ready", "b": "pending", "c": "pending"}
    assert dag.tasks.get(key="c").open_dependencies == 1
    assert [task.behind for task in dag.tasks.order_by("key")] == [2, 1, 0]
    assert Event.objects.get(kind="work.graph_created").facts["tasks"] == 3


def test_every_task_and_the_graph_have_an_address_for_their_money() -> None:
    payer = a_scope(kind=Scope.Kind.PRODUCT)

    dag = a_graph(
        TaskSpec(key="a", title="A", kind="test.nothing", max_cost_microusd=7),
        TaskSpec(key="b", title="B", kind="test.nothing"),
        scope=payer,
        max_cost_microusd=9,
    )

    assert (dag.payer, dag.scope.kind) == (payer, "dag")
    assert dag.scope.limits.get(period="life").cap_microusd == 9
    assert dag.tasks.get(key="a").max_cost_microusd == 7
    assert dag.tasks.get(key="b").max_cost_microusd == 5_000_000


def test_the_same_key_gives_the_first_graph() -> None:
    first = a_graph(*a_chain("a"), key="plan-1")

    again = a_graph(*a_chain("a", "b"), key="plan-1")

    assert again == first
    assert Task.objects.count() == 1


def test_a_circle_is_refused_by_name_and_nothing_is_stored() -> None:
    circle = [
        TaskSpec(key="a", title="A", kind="test.nothing", after=("c",)),
        TaskSpec(key="b", title="B", kind="test.nothing", after=("a",)),
        TaskSpec(key="c", title="C", kind="test.nothing", after=("b",)),
    ]

    with pytest.raises(CycleDetected) as refusal, transaction.atomic():
        a_graph(*circle)

    walk = str(refusal.value.facts["circle"]).split(" > ")
    assert {"a", "b", "c"} == set(walk)
    assert walk[0] == walk[-1]
    assert (Dag.objects.count(), Task.objects.count(), Dependency.objects.count()) == (0, 0, 0)


def test_strangers_are_refused_by_name() -> None:
    with pytest.raises(GraphRefused) as refusal, transaction.atomic():
        a_graph(
            TaskSpec(key="a", title="A", agent="Nobody", type="write"),
            TaskSpec(key="b", title="B", kind="no.such_job"),
        )

    assert "Nobody, whom nobody knows" in str(refusal.value)
    assert "no.such_job, which no app offers" in str(refusal.value)
    assert not Scope.objects.filter(kind="dag").exists()


def test_the_last_of_several_parents_readies_the_child_in_its_own_transaction() -> None:
    dag = a_graph(
        TaskSpec(key="a", title="A", kind="test.nothing"),
        TaskSpec(key="b", title="B", kind="test.nothing"),
        TaskSpec(key="join", title="J", kind="test.nothing", after=("a", "b")),
    )

    seen = [carry_out() and states_of(dag)["join"] for _ in range(2)]

    assert seen == ["pending", "ready"]


def test_a_graph_closes_once_when_its_last_task_is_done() -> None:
    dag = a_graph(*a_chain("a", "b"))

    carried = [carry_out() is not None for _ in range(3)]

    dag.refresh_from_db()
    assert carried == [True, True, False]
    assert (dag.state, dag.closed_at is None) == ("completed", False)
    assert Event.objects.filter(kind="work.graph_completed").count() == 1


def test_a_task_behind_a_cancelled_one_stays_visible_and_the_graph_stalls() -> None:
    dag = a_graph(*a_chain("a", "b"))

    cancel_task(dag.tasks.get(key="a").pk, by="owner:ada")

    dag.refresh_from_db()
    assert states_of(dag) == {"a": "cancelled", "b": "pending"}
    assert dag.state == "stalled"


def test_cancelling_with_dependents_ends_all_behind_and_nothing_beside() -> None:
    dag = a_graph(*a_chain("a", "b", "c"), TaskSpec(key="x", title="X", kind="test.nothing"))

    cancel_task(dag.tasks.get(key="b").pk, by="owner:ada", with_dependents=True)
    cancel_task(dag.tasks.get(key="b").pk, by="owner:ada", with_dependents=True)

    assert states_of(dag) == {"a": "ready", "b": "cancelled", "c": "cancelled", "x": "ready"}


def test_a_paused_graph_is_not_claimed_until_it_goes_on() -> None:
    dag = a_graph(*a_chain("a"))

    pause_graph(dag.pk, by="owner:ada")
    while_paused = carry_out()
    unpause_graph(dag.pk, by="owner:ada")

    assert while_paused is None
    assert carry_out() is not None


def test_work_for_a_frozen_product_waits_until_it_is_thawed() -> None:
    product = open_product("Certbook")
    dag = a_graph(*a_chain("a"), product=product, scope=product.scope)
    freeze_product(product, reason="the owner wants to look")

    while_frozen = carry_out()
    refusal = read_admission().refusal(dag.tasks.select_related("dag__product").get())
    too_early = readmit()
    thaw_product(product, reason="all is well")

    assert (too_early, readmit()) == (0, 1)
    assert (while_frozen, refusal) == (None, "its product is frozen")
    assert carry_out() is not None


def test_a_cancelled_graph_says_so_once_however_often_it_is_cancelled() -> None:
    dag = a_graph(*a_chain("a", "b"))

    cancel_graph(dag.pk, by="owner:ada")
    cancel_graph(dag.pk, by="owner:ada")

    assert set(states_of(dag).values()) == {"cancelled"}
    assert Event.objects.filter(kind="work.graph_cancelled").count() == 1


def test_the_database_refuses_a_ready_task_that_waits_and_a_lease_without_worker() -> None:
    task = a_graph(*a_chain("a")).tasks.get()

    with pytest.raises(IntegrityError, match="ready_waits_for_nothing"), transaction.atomic():
        Task.objects.filter(pk=task.pk).update(open_dependencies=1)
    with pytest.raises(IntegrityError, match="only_workers_hold_leases"), transaction.atomic():
        Task.objects.filter(pk=task.pk).update(lease=task.pk)
    with pytest.raises(IntegrityError, match="no_own_dependency"), transaction.atomic():
        Dependency.objects.create(task=task, depends_on=task)
