"""Graphs of tasks: most are over, the newest of each product is under way, and a few got stuck."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, cast

from agents.roster.models import Agent
from billing.adapters.limits import table_row
from billing.models import Limit, Period, Scope
from core.ids import digest_of
from core.models import Blob, Mode
from factory.console.management.sample.bulk import insert_rows
from factory.console.management.sample.ground import Ground
from factory.work.models import Artifact, Attempt, Dag, DeadLetter, Dependency, Task, TaskEvent
from portfolio.models import Product

S = Task.State
LAYERS: Final = (
    (("plan", "Atlas", "decompose", "Plan what is to be written"),),
    (("scaffold", "", "job", "Set the repository up"),),
    tuple((f"core-{n}", "Rex", "write", f"Write part {n} of the core") for n in range(1, 5)),
    tuple((f"api-{n}", "Rex", "write", f"Write address {n} of the interface") for n in range(1, 5)),
    tuple((f"pages-{n}", "Pixel", "write", f"Lay out page {n}") for n in range(1, 5)),
    tuple((f"test-{n}", "Hawk", "write", f"Try to break part {n}") for n in range(1, 4)),
    (
        ("mend", "Rex", "write", "Mend what was found"),
        ("texts", "Atlas", "write", "Write the words of the pages"),
    ),
    (("package", "", "job", "Pack the version"),),
)
SIZE: Final = sum(len(layer) for layer in LAYERS)
PLACES: Final = tuple((number, *one) for number, layer in enumerate(LAYERS) for one in layer)
STEP: Final = timedelta(minutes=25)
WENT_WELL: Final = (S.CREATED, S.PENDING, S.READY, S.CLAIMED, S.RUNNING, S.VALIDATING, S.COMPLETED)
OPEN_STATES: Final = (S.RUNNING, S.READY, S.READY, S.WAITING, S.RETRYING, S.DEAD_LETTER, S.RUNNING, S.READY)
LONG: Final = timedelta(days=1)
WORKER: Final = "sample"
FAULTS: Final = (
    ("invalid_output", "The answer is no JSON of the wanted shape: `files` is missing"),
    ("transient", "The model maker answered 529: overloaded"),
    ("crash", "The worker was killed by signal 9 after it used 2.1 GB"),
)


@dataclass
class Pile:
    """Rows of all graphs, written table by table at the end."""

    scopes: list[Scope] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    dags: list[Dag] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    dependencies: list[Dependency] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    events: list[TaskEvent] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)

    def write(self) -> None:
        """Write everything, what is pointed at first."""
        for rows in (
            self.scopes,
            self.limits,
            self.dags,
            self.tasks,
            self.dependencies,
            self.attempts,
            self.events,
        ):
            insert_rows(rows)
        insert_rows(self.letters)
        Blob.objects.bulk_create(
            {one.blob_id: one.blob for one in self.artifacts if one.blob}.values(), ignore_conflicts=True
        )
        insert_rows(self.artifacts)  # fmt: skip


def invent_work(ground: Ground, *, count: int) -> Pile:
    """Write about `count` tasks in graphs of twenty, spread over the products; return the rows."""
    pile = Pile()
    graphs = max(len(ground.products), count // SIZE)
    for number in range(graphs):
        product = ground.products[number % len(ground.products)]
        rounds = graphs // len(ground.products)
        place = number // len(ground.products)
        is_newest = number + len(ground.products) >= graphs
        span = ground.now - product.opened_at
        begun = product.opened_at + span * (place / max(1, rounds)) if not is_newest else ground.ago(days=0.3)
        _graph(
            ground, pile, product, number=place + 1, begun=min(begun, ground.ago(days=0.3)), is_open=is_newest
        )
    pile.write()
    return pile


def _graph(
    ground: Ground, pile: Pile, product: Product, *, number: int, begun: datetime, is_open: bool
) -> None:
    dag_id = ground.new_id(begun)
    title = f"Build {product.name}" if number == 1 else f"Version {number} of {product.name}"
    scope = _scope(ground, Scope.Kind.DAG, str(dag_id), title, product=product, at=begun)
    dag = Dag(
        id=dag_id, key=f"sample:{product.slug}:{number}", product=product, scope=scope, payer=product.scope, title=title,
        correlation_id=product.correlation_id, created_at=ground.machine(begun),
    )  # fmt: skip
    reached = ground.dice.randint(2, SIZE - 4) if is_open else SIZE
    tasks = [_task(ground, pile, dag, place) for place in range(SIZE)]
    layer = PLACES[reached][0] if reached < SIZE else len(LAYERS)
    for place, task in enumerate(tasks):
        here = PLACES[place][0]
        before = [one for index, one in enumerate(tasks) if PLACES[index][0] == here - 1]
        pile.dependencies += [Dependency(task=task, depends_on=one) for one in before]
        if place < reached:
            state = S.COMPLETED
        else:
            state = (
                ground.dice.choice(OPEN_STATES)
                if here == layer and layer == PLACES[reached - 1][0] + 1
                else S.PENDING
            )
        task.open_dependencies = (
            0 if state != S.PENDING else max(1, sum(one.state != S.COMPLETED for one in before))
        )
        _live_through(ground, pile, task, state=state, began=begun + STEP * here, product=product)
    states = {task.state for task in tasks}
    dag.state = (
        Dag.State.COMPLETED if states == {S.COMPLETED} else Dag.State.STALLED if S.DEAD_LETTER in states else Dag.State.RUNNING
    )  # fmt: skip
    dag.closed_at = ground.machine(begun + STEP * len(LAYERS)) if dag.state == Dag.State.COMPLETED else None
    pile.scopes.append(scope)
    pile.dags.append(dag)
    pile.tasks += tasks


def _scope(ground: Ground, kind: str, ref: str, label: str, *, product: Product, at: datetime) -> Scope:
    return Scope(
        id=ground.new_id(at), kind=kind, ref=ref, label=label[:160], correlation_id=product.correlation_id,
        mode=Mode.REHEARSAL, opened_at=ground.machine(at),
    )  # fmt: skip


def _task(ground: Ground, pile: Pile, dag: Dag, place: int) -> Task:
    layer, key, agent, type_, title = PLACES[place]
    at, product = dag.created_at, cast(Product, dag.product)
    task_id = ground.new_id(at)
    scope = _scope(ground, Scope.Kind.TASK, str(task_id), title, product=product, at=at)
    pile.scopes.append(scope)
    pile.limits.append(
        Limit(id=ground.new_id(at), scope=scope, period=Period.LIFE, cap_microusd=table_row("task")["life"])
    )
    return Task(
        id=task_id, dag=dag, scope=scope, key=key, kind="agent" if agent else ("repo.package" if key == "package" else "repo.scaffold"),
        type=type_, agent=ground.agents.get(agent), title=title, brief=f"{title} for {product.name}.", behind=len(LAYERS) - 1 - layer,
        priority=ground.dice.choice((20, 50, 50, 50, 80)), created_at=at, changed_at=at, arguments={"stage": "BUILD"},
    )  # fmt: skip


def _live_through(
    ground: Ground, pile: Pile, task: Task, *, state: str, began: datetime, product: Product
) -> None:
    """Bring the task to this state, with its tries and the story of its changes."""
    at = ground.machine(began)
    task.state, task.changed_at = state, at + STEP
    if state in {S.COMPLETED, S.RUNNING, S.WAITING, S.READY}:
        task.ready_at = at
    tries = list(_tries(ground, task, at=at))
    pile.attempts += tries
    task.fence = len(tries)
    line = [*WENT_WELL[: WENT_WELL.index(state) + 1]] if state in WENT_WELL else _line_to(state)
    task.version = len(line) - 1
    pile.events += [
        TaskEvent(task=task, old=old, new=new, actor=WORKER, at=at + step * STEP / len(line))
        for step, (old, new) in enumerate(itertools.pairwise(line))
    ]
    if state == S.RUNNING:
        task.lease, task.leased_to, task.leased_until = (
            tries[-1].pk,
            WORKER,
            ground.machine(ground.now) + LONG,
        )
        task.run_until = task.leased_until
    if state == S.RETRYING:
        task.not_before, task.failures = ground.machine(ground.now) + LONG, len(tries)
    if state == S.DEAD_LETTER:
        kind, words = FAULTS[ground.dice.randrange(len(FAULTS))]
        task.failures = len(tries)
        pile.letters.append(
            DeadLetter(id=ground.new_id(began), task=task, error_class=kind, error=words, is_poison=kind == "crash", created_at=at + STEP)
        )  # fmt: skip
    if state == S.COMPLETED and task.key in {"package", "plan"}:
        pile.artifacts.append(_artifact(ground, task, tries[-1], product=product, at=at + STEP))


def _line_to(state: str) -> list[str]:
    begun = [S.CREATED, S.PENDING, S.READY, S.CLAIMED, S.RUNNING]
    return [*begun, S.WAITING] if state == S.WAITING else [*begun, S.FAILED, state]


def _tries(ground: Ground, task: Task, *, at: datetime) -> Iterator[Attempt]:
    """Yield the tries at a task that stands where it stands; one in twelve needed a second one."""
    last = {
        S.COMPLETED: Attempt.State.DONE,
        S.RUNNING: Attempt.State.OPEN,
        S.WAITING: Attempt.State.WAITING,
    }.get(S(task.state))
    failed = {S.DEAD_LETTER: 3, S.RETRYING: 1}.get(S(task.state), 0)
    if task.state == S.COMPLETED and ground.dice.random() < 1 / 12:
        failed = 1
    for n in range(1, failed + 1):
        kind, words = FAULTS[ground.dice.randrange(len(FAULTS))]
        yield _try(
            ground,
            task,
            n=n,
            state=Attempt.State.FAILED,
            at=at + n * STEP / 10,
            error=words,
            error_class=kind,
        )
    if last:
        yield _try(ground, task, n=failed + 1, state=last, at=at + STEP / 2)


def _try(ground: Ground, task: Task, *, n: int, state: str, at: datetime, **words: str) -> Attempt:
    agent: Agent | None = task.agent
    lasted = timedelta(seconds=ground.dice.randint(40, 600))
    return Attempt(
        id=ground.new_id(at), task=task, agent=agent, n=n, worker=WORKER, state=state, claimed_at=at, started_at=at,
        ended_at=None if state == Attempt.State.OPEN else at + lasted, result={} if state == Attempt.State.DONE else None, **words,
    )  # fmt: skip


def _artifact(ground: Ground, task: Task, attempt: Attempt, *, product: Product, at: datetime) -> Artifact:
    is_packed = task.key == "package"
    blob = Blob(sha256=digest_of([str(task.pk)]), size_bytes=84_213, media_type="application/x-tar")
    return Artifact(
        id=ground.new_id(at), attempt=attempt, kind="release" if is_packed else "text", name="release.tar" if is_packed else "plan.md",
        blob=blob, is_final=is_packed, facts={"product": product.name}, created_at=at,
    )  # fmt: skip
