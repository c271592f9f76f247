"""Graphs: made in one piece, paused, cancelled, closed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.roster.models import Agent
from billing.models import Period, Scope
from billing.services import cap_scopes, open_scope, open_scopes, set_limit
from core.ids import story_of
from core.registry import is_job, post_of
from core.services import audit, machine_now, publish
from factory.work import rules
from factory.work.errors import CycleDetected, GraphRefused
from factory.work.models import Dag, DeadLetter, Dependency, Queue, Task
from factory.work.rules import Edges, Origin, TaskSpec
from factory.work.services.lanes import open_lanes
from factory.work.services.pressure import require_room
from factory.work.services.tasks import PAUSED, begin_many, lane_of, lock_graph, ready_task, ring_for
from portfolio.models import Product

FROM_PLATFORM = Origin()


@transaction.atomic
def create_graph(  # noqa: PLR0913 (a graph needs a payer, a story and a key besides its tasks)
    *,
    product: Product | None,
    title: str,
    tasks: Sequence[TaskSpec],
    scope: Scope,
    correlation_id: UUID | None,
    key: str,
    max_cost_microusd: int | None = None,
    origin: Origin = FROM_PLATFORM,
) -> Dag:
    """Make a graph with all its tasks, or nothing; tasks that wait for no other are ready at once. Source: R-04.8.

    Args:
        product: whose work it is; None before there is a product.
        title: what it is for.
        tasks: 1 to 200.
        scope: who pays: the product's scope, or the factory's.
        correlation_id: the story it belongs to.
        key: idempotency key; a repeat returns the first graph.
        max_cost_microusd: most that the whole graph may cost; None: its tasks' limits and its payer's bind alone.
        origin: where it comes from, and who wants it.

    Raises:
        GraphRefused: names every fault.
        QueueFull: there is too much open work.
        CycleDetected: lists one circle.
    """
    if known := Dag.objects.filter(key=key).first():
        return known
    agents = checked_agents(tasks)
    require_room(len(tasks), origin=origin, product=product)
    with story_of(correlation_id):
        dag = Dag(key=key, product=product, payer=scope, title=title[:200], correlation_id=correlation_id)
        dag.scope = _scope_of(Scope.Kind.DAG, dag.pk, label=title, cap_microusd=max_cost_microusd)
        dag.save(force_insert=True)
        made = _write_tasks(dag, tasks, agents, origin=origin)
        publish("work.graph_created", dag_id=str(dag.pk), title=dag.title, tasks=len(made))
        start_tasks(made.values())
    return dag


def checked_agents(tasks: Sequence[TaskSpec], *, known: Collection[str] = ()) -> Mapping[str, Agent]:
    """Return the agents that `tasks` name, if the tasks can be made beside those that are `known`.

    Raises:
        GraphRefused: names every fault.
        CycleDetected: lists one circle.
    """
    agents = {agent.name: agent for agent in Agent.objects.filter(name__in={spec.agent for spec in tasks})}
    faults = rules.graph_faults(tasks, known=known)
    for spec in tasks:
        if spec.agent and spec.agent not in agents:
            faults.append(f"{spec.key} is for {spec.agent}, whom nobody knows")
        if spec.queue not in ("", *Queue.Name.values):
            faults.append(f"{spec.key} waits for the queue {spec.queue}, which does not exist")
        if spec.kind != "agent" and not is_job(spec.kind):
            faults.append(f"{spec.key} is a job of the kind {spec.kind}, which no app offers")
    if faults:
        raise GraphRefused(faults="; ".join(faults))
    check_circles(rules.edges_of(tasks))
    return agents


def check_circles(edges: Edges) -> None:
    """Refuse tasks that wait for each other in a circle. Source: R-04.6.

    Raises:
        CycleDetected: lists one circle.
    """
    if circle := rules.find_cycle(edges):
        raise CycleDetected(circle=" > ".join((*circle, circle[0])))


def _scope_of(kind: str, ref: UUID, *, label: str, cap_microusd: int | None) -> Scope:
    scope = open_scope(kind=kind, ref=str(ref), label=label)
    if cap_microusd is not None:
        set_limit(scope, period=Period.LIFE, cap_microusd=cap_microusd)
    return scope


def _write_tasks(
    dag: Dag, tasks: Sequence[TaskSpec], agents: Mapping[str, Agent], *, origin: Origin
) -> dict[str, Task]:
    behind = rules.paths_behind(rules.edges_of(tasks))
    made = tasks_of(tasks, dag=dag, agents=agents, behind=behind)
    for task in made.values():
        task.source, task.created_by = origin.source, origin.by[:80]
    Task.objects.bulk_create(made.values())
    Dependency.objects.bulk_create(
        Dependency(task=made[spec.key], depends_on=made[earlier])
        for spec in tasks
        for earlier in sorted(set(spec.after))
    )
    return made


def tasks_of(
    specs: Sequence[TaskSpec], *, dag: Dag, agents: Mapping[str, Agent], behind: Mapping[str, int]
) -> dict[str, Task]:
    """Return the tasks that `specs` describe, not stored yet, with lines to stand in and addresses for their money."""
    made = {spec.key: _task_of(spec, dag=dag, agent=agents.get(spec.agent)) for spec in specs}
    open_lanes(agents.values(), queues={task.queue for task in made.values()})
    refs = {str(made[spec.key].pk): spec for spec in specs}
    scopes = open_scopes(kind=Scope.Kind.TASK, labels={ref: spec.title for ref, spec in refs.items()})
    cap_scopes(
        {
            scopes[ref]: spec.max_cost_microusd
            for ref, spec in refs.items()
            if spec.max_cost_microusd is not None
        }
    )
    for key, task in made.items():
        task.scope, task.behind = scopes[str(task.pk)], behind.get(key, 0)
    return made


def _task_of(spec: TaskSpec, *, dag: Dag, agent: Agent | None) -> Task:
    place = spec.workspace
    task = Task(
        dag=dag, key=spec.key, kind=spec.kind, type=spec.type, agent=agent, queue=queue_of(spec),
        title=spec.title[:200], brief=spec.brief, arguments=dict(spec.arguments),
        answer_schema=None if spec.answer_schema is None else dict(spec.answer_schema), validator=spec.validator,
        workspace=place and {"repository": place.repository, "base": place.base, "branch": place.branch},
        may_write=list(spec.may_write), priority=spec.priority, due_at=spec.due_at,
        open_dependencies=len(set(spec.after)),
    )  # fmt: skip
    task.lane = lane_of(task)
    return task


def queue_of(spec: TaskSpec) -> str:
    """Return which workers the task waits for: agents need a model, or a place to work in; a job says it itself."""
    if spec.queue:
        return spec.queue
    if spec.kind != "agent":
        return post_of(spec.kind).queue
    return Queue.Name.BUILD if spec.workspace else Queue.Name.CLOUD


def start_tasks(fresh: Iterable[Task]) -> None:
    """Let new tasks be ready, or wait for what they need."""
    tasks = list(fresh)
    begin_many(
        [task for task in tasks if task.open_dependencies],
        to=Task.State.PENDING,
        reason="waits for other tasks",
    )
    ready = [task for task in tasks if not task.open_dependencies]
    for task in ready:
        if task.due_at:
            ready_task(task, actor="work", reason="waits for nothing")
    alike = defaultdict(list)
    for task in ready:
        if not task.due_at:
            alike[task.priority, task.behind].append(task)
    now = machine_now()
    for (priority, behind), group in alike.items():
        place = rules.rank(priority, ready_min=now.timestamp() / 60, behind=behind)
        held = PAUSED if Dag.objects.filter(pk=group[0].dag_id, is_paused=True).exists() else ""
        columns = {"ready_at": now, "rank": place, "held": held}
        begin_many(group, to=Task.State.READY, reason="waits for nothing", **columns)
        ring_for(task.queue for task in group)


def settle_graph(dag_id: UUID) -> None:
    """Compute where the graph stands from its tasks; whoever sees it close tells so, once."""
    tasks = Task.objects.filter(dag_id=dag_id)
    states = list(tasks.values_list("state", flat=True))
    state = rules.graph_state(states, is_blocked=tasks.blocked().exists(), has_failed=has_failed(dag_id))
    closed_at = timezone.now() if state in _OVER else None
    moved = Dag.objects.filter(pk=dag_id, closed_at=None).exclude(state=state)
    if moved.update(state=state, closed_at=closed_at) and state in _TOLD:
        dag = Dag.objects.get(pk=dag_id)
        with story_of(dag.correlation_id):
            publish(_TOLD[state], dag_id=str(dag_id), state=state)


def has_failed(dag_id: UUID) -> bool:
    """Say whether something in a graph was given up and none of its ends is reached. Source: R-04.4."""
    was_given_up = DeadLetter.objects.filter(task__dag_id=dag_id).exists()
    ends = Task.objects.filter(dag_id=dag_id, dependents=None)
    return was_given_up and not ends.filter(state=Task.State.COMPLETED).exists()


_OVER = (Dag.State.COMPLETED, Dag.State.FAILED, Dag.State.CANCELLED)
_TOLD: Mapping[str, str] = {
    Dag.State.COMPLETED: "work.graph_completed",
    Dag.State.FAILED: "work.graph_failed",
    Dag.State.CANCELLED: "work.graph_cancelled",
    Dag.State.STALLED: "work.graph_stalled",
}


@transaction.atomic
def pause_graph(dag_id: UUID, *, by: str) -> None:
    """Let no task of this graph be claimed once this is committed; what runs goes on. Safe to run twice."""
    lock_graph(dag_id)
    if Dag.objects.filter(pk=dag_id, is_paused=False).update(is_paused=True):
        Task.objects.filter(dag_id=dag_id, state=Task.State.READY, held="").update(held=PAUSED)
        audit(actor=by, verb="work.pause_graph", subject=str(dag_id))


@transaction.atomic
def unpause_graph(dag_id: UUID, *, by: str) -> None:
    """Let tasks of this graph be claimed again. Safe to run twice."""
    lock_graph(dag_id)
    if Dag.objects.filter(pk=dag_id, is_paused=True).update(is_paused=False):
        Task.objects.filter(dag_id=dag_id, held=PAUSED).update(held="")
        audit(actor=by, verb="work.unpause_graph", subject=str(dag_id))
        publish("work.graph_unpaused", dag_id=str(dag_id))
