"""Whatever happens to random graphs, in any order: what must hold, holds after every step."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from core.registry import Outcome
from factory.work.models import Attempt, Dag, Dependency, Task, TaskEvent
from factory.work.rules import LEASED, TaskSpec, find_cycle
from factory.work.services import (
    accept_result,
    cancel_task,
    extend_graph,
    finish_attempt,
    promote_due,
    reap_leases,
    recover_dead,
    refuse_result,
    retry_dead_letter,
)
from tests.builders import a_graph
from tests.factory.work.hands import take

pytestmark = pytest.mark.django_db


@st.composite
def random_plans(draw: st.DrawFn) -> list[TaskSpec]:
    """Return up to six jobs; each waits for some of those before it, some are judged."""
    size = draw(st.integers(min_value=1, max_value=6))
    return [
        TaskSpec(
            key=f"t{n}",
            title=f"T{n}",
            kind="test.nothing",
            validator=draw(st.sampled_from(["none", "judge"])),
            after=tuple(f"t{earlier}" for earlier in range(n) if draw(st.booleans())),
        )
        for n in range(size)
    ]


def end(dag: Dag, pick: int, *, outcome: Outcome) -> None:
    """Let an attempt that runs end like this."""
    for lease in running(dag)[pick : pick + 1]:
        finish_attempt(lease, outcome)


def running(dag: Dag) -> list[UUID]:
    """Return the attempts that run."""
    leases = dag.tasks.leased().order_by("key").values_list("lease", flat=True)
    return [lease for lease in leases if lease]


def judge(dag: Dag, pick: int, *, verdict: Callable[..., None]) -> None:
    """Give a verdict over an offered result."""
    offered = Attempt.objects.filter(task__dag=dag, state="offered").order_by("pk")
    for attempt in offered[pick : pick + 1]:
        verdict(attempt.pk)


def cancel(dag: Dag, pick: int) -> None:
    """Cancel any task, with or without all behind it."""
    for task in dag.tasks.order_by("key")[pick : pick + 1]:
        cancel_task(task.pk, by="owner:ada", with_dependents=bool(pick % 2))


def silence(dag: Dag, pick: int) -> None:
    """Let a lease run out."""
    late = timezone.now() - timedelta(seconds=1)
    for lease in running(dag)[pick : pick + 1]:
        Task.objects.filter(lease=lease).update(leased_until=late)
    reap_leases()


def wait(dag: Dag, pick: int) -> None:
    """Let every pause be over, also by a database's clock that is a little behind ours."""
    dag.tasks.filter(state="retrying").update(not_before=timezone.now() - timedelta(minutes=1))
    promote_due()


def grow(dag: Dag, pick: int) -> None:
    """Add a task that holds up a pending one."""
    closed = Dag.objects.filter(pk=dag.pk, closed_at__isnull=False).exists()
    for task in dag.tasks.filter(state="pending").order_by("key")[pick : pick + 1 - closed]:
        new = TaskSpec(key=f"new{dag.tasks.count()}", title="New", kind="test.nothing")
        extend_graph(dag, tasks=[new], before=task.key)


def put_back(dag: Dag, pick: int) -> None:
    """Let the owner put a dead letter back, changed."""
    for task in dag.tasks.filter(state="dead_letter").order_by("key")[pick : pick + 1]:
        retry_dead_letter(task.dead_letters.get(resolution="").pk, by="owner:ada", brief="other")


STEPS: Mapping[str, Callable[[Dag, int], object]] = {
    "take": lambda dag, pick: take(),
    "take again": lambda dag, pick: take(),
    "done": lambda dag, pick: end(dag, pick, outcome=Outcome(kind="done")),
    "fail": lambda dag, pick: end(dag, pick, outcome=Outcome(kind="failed", error_class="stuck")),
    "fail for good": lambda dag, pick: end(
        dag, pick, outcome=Outcome(kind="failed", error_class="permanent")
    ),
    "stop": lambda dag, pick: end(dag, pick, outcome=Outcome(kind="stopped")),
    "accept": lambda dag, pick: judge(dag, pick, verdict=lambda one: accept_result(one, by="judge")),
    "refuse": lambda dag, pick: judge(
        dag, pick, verdict=lambda one: refuse_result(one, faults=["no"], by="judge")
    ),
    "die": lambda dag, pick: recover_dead(is_dead=lambda worker: pick == 0),
    "silence": silence,
    "cancel": cancel,
    "wait": wait,
    "grow": grow,
    "put back": put_back,
}
steps = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(min_value=0, max_value=3)), max_size=40
)


def check(dag: Dag) -> None:
    """Fail when anything is not as it must be."""
    done = Q(dependencies__depends_on__state="completed")
    counted = dag.tasks.annotate(edges=Count("dependencies"), met=Count("dependencies", filter=done))
    open_now = Attempt.objects.filter(task__dag=dag, state="open")
    events = TaskEvent.objects.filter(task__dag=dag).order_by("sequence")
    told = {event.task_id: event.new for event in events}

    assert not counted.exclude(open_dependencies=F("edges") - F("met")).exists()
    assert not dag.tasks.filter(state__in=["ready", *LEASED], open_dependencies__gt=0).exists()
    assert set(open_now.values_list("pk", flat=True)) == set(running(dag))
    assert set(dag.tasks.filter(attempts__state="done").values_list("state", flat=True)) <= {"completed"}
    assert not dag.tasks.filter(state="completed").exclude(attempts__state="done").exists()
    assert told == dict(dag.tasks.values_list("pk", "state"))
    assert not dag.tasks.filter(state="dead_letter").exclude(dead_letters__resolution="").exists()
    assert Dag.objects.filter(pk=dag.pk, closed_at__isnull=True).exists() == dag.tasks.open().exists()
    assert find_cycle(edges_of(dag)) == []


def edges_of(dag: Dag) -> dict[str, frozenset[str]]:
    """Return the stored edges."""
    pairs = list(Dependency.objects.filter(task__dag=dag).values_list("task__key", "depends_on__key"))
    return {key: frozenset(before for one, before in pairs if one == key) for key, _ in pairs}


@settings(max_examples=25, deadline=None)
@given(random_plans(), steps)
def test_any_story_keeps_every_promise_and_ends_when_the_work_goes_on(
    plan: list[TaskSpec], story: list[tuple[str, int]]
) -> None:
    with transaction.atomic():
        dag = a_graph(*plan)

        for step, pick in story:
            STEPS[step](dag, pick)
            check(dag)
        for step in ("put back", "wait", "take", "done", "accept") * (3 * dag.tasks.count() + 3):
            STEPS[step](dag, 0)
        check(dag)
        for _ in range(dag.tasks.count()):
            STEPS["put back"](dag, 0)

        dag.refresh_from_db()
        left = dag.tasks.open()
        assert set(left.values_list("state", flat=True)) <= {"pending"}, (
            "only what waits behind a cancelled task"
        )
        assert left.exists() == (dag.state == "stalled") == left.blocked().exists()
        transaction.set_rollback(True)
