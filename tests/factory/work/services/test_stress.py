"""What must hold under many workers holds, and the run fails when a known fault is put back."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from core.registry import Assignment, Outcome
from factory.work.adapters import line
from factory.work.adapters.line import postgresql, sqlite
from factory.work.rules import TaskSpec
from factory.work.services import cancel_task, claim_task, extend_graph, finish_attempt, pause_graph
from factory.work.services.tasks import lock_graph
from tests.builders import a_graph
from tests.factory.work.hands import states_of, take
from tests.factory.work.stress import Stress

pytestmark = pytest.mark.django_db(transaction=True)
PG = postgresql.PostgresLine.statements
LITE = sqlite.SqliteLine.statements

Changes = Mapping[str, list[tuple[str, str]]]
FAULTS: Mapping[str, Mapping[str, Changes]] = {
    "the fence is used twice": {
        "postgresql": {"take": [("fence = t.fence + 1", "fence = 1")]},
        "sqlite": {"claim": [("fence = fence + 1", "fence = 1")]},
    },
    "limits are read, and no place is taken": {
        "postgresql": {
            "take": [
                ("having not bool_or(", "having false and not bool_or("),
                ("or count(w.holder)", "or false and count(w.holder)"),
                ("(select count(*) from need)\n  limit", "0 or true\n  limit"),
            ]
        },
        "sqlite": {"head": [(") = 0\n      or sum(w.holder is not null) >= sum(w.is_open))", ") < 0)")]},
    },
    "the end locks nothing first": {
        "postgresql": {
            "hold": [
                ("order by id for update)", "order by id)"),
                ("order by t.id for update of t", "order by t.id"),
            ]
        },
    },
    "a pause is read without a lock": {
        "postgresql": {"take": [("not is_paused for share", "not is_paused")]},
    },
    "the end keeps its permit": {
        "postgresql": {"complete": [("where holder in (select attempt_id from over)", "where false")]},
        "sqlite": {"permit": [("where holder in", "where false and holder in")]},
    },
    "the end leaves the attempt open": {
        "postgresql": {"complete": [("where x.id = o.attempt_id", "where false")]},
        "sqlite": {"result": [("where id = %s", "where false and id = %s")]},
    },
}


def lock_nothing(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
    """Let whoever grows, cancels, fails or gives back read rows as if nobody else were there."""
    return execute(re.sub(r" FOR (NO KEY )?UPDATE( OF \S+)?", "", sql), params, many, context)


def close_nothing(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
    """Let every end but a plain one leave its attempt open."""
    if re.match(r'UPDATE "work_attempt" SET "state" = .+ AND "work_attempt"."state" = %s\)$', sql):
        where = sql[sql.index("WHERE") :]
        kept = 'UPDATE "work_attempt" SET "n" = "n" {}'
        sql, params = kept.format(where), params[-where.count("%s") :]
    return execute(sql, params, many, context)


def lock_no_graph(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
    """Let whoever changes a graph lock tasks alone, those that wait before what they wait for."""
    if re.search(r' FROM "work_dag" .*FOR UPDATE', sql):
        sql = sql.replace("FOR UPDATE", "")
    return execute(sql, params, many, context)


def name_by_kind(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
    """Name children by their parent and kind; one that finds its name taken is taken for the same."""
    if sql.startswith('INSERT INTO "work_task" '):
        columns = re.findall(r'"(\w+)"', sql[: sql.index(")")])[1:]
        lists = list(params) if "UNNEST" in sql else [params[n :: len(columns)] for n in range(len(columns))]
        table = dict(zip(columns, lists, strict=True))
        told = zip(table["parent_id"], table["kind"], table["key"], strict=True)
        table["key"] = [f"{parent}.{kind}" if parent else key for parent, kind, key in told]
        lists = list(table.values())
        flat = [value for row in zip(*lists, strict=True) for value in row]
        sql, params = f"{sql} ON CONFLICT DO NOTHING", lists if "UNNEST" in sql else flat
    return execute(sql, params, many, context)


STATEMENTS: Mapping[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "who changes a graph locks nothing": (lock_nothing, ("postgresql",)),
    "who adds a task before another locks in another order than who ends one": (
        lock_no_graph,
        ("postgresql",),
    ),
    "an expansion is keyed by kind": (name_by_kind, ("postgresql", "sqlite")),
    "a failed, stopped or lost attempt stays open": (close_nothing, ("postgresql", "sqlite")),
}

PAUSED_IN_LINE = (
    "t.state = 'ready' and t.held = ''",
    "t.state = 'ready' and not (select d.is_paused from work_dag d where d.id = t.dag_id)",
)
FAULTS_OF_COST: Mapping[str, Mapping[str, Changes]] = {
    "paused work stands in the ready index": {
        "postgresql": {"take": [PAUSED_IN_LINE]},
        "sqlite": {"present": [PAUSED_IN_LINE], "candidates": [PAUSED_IN_LINE]},
    },
}
PUT_BACK = [(words, vendor) for words, vendors in FAULTS.items() for vendor in vendors]


@pytest.fixture
def put_back() -> Iterator[dict[str, line.Line]]:
    """Lend the table of lines, and empty it again: what is right is made anew."""
    yield line.LINES
    line.LINES.clear()


def faulty(vendor: str, words: str) -> line.Line:
    """Return the line of this database with a known fault in a statement."""
    kind: type[postgresql.PostgresLine] | type[sqlite.SqliteLine]
    kind = {"postgresql": postgresql.PostgresLine, "sqlite": sqlite.SqliteLine}[vendor]  # type: ignore[assignment]
    changed = dict(kind.statements)
    for name, pairs in {**FAULTS, **FAULTS_OF_COST}[words][vendor].items():
        for right, wrong in pairs:
            assert right in changed[name]
            changed[name] = changed[name].replace(right, wrong)
    made: line.Line = type("Faulty", (kind,), {"statements": changed})()
    return made


@pytest.fixture
def every_connection() -> Iterator[list[Callable[..., Any]]]:
    """Lend what lies around every statement of the threads that connect from now on."""
    around: list[Callable[..., Any]] = []
    enclosed: list[BaseDatabaseWrapper] = []

    def enclose(connection: BaseDatabaseWrapper, **more: object) -> None:
        connection.execute_wrappers.extend(around)
        enclosed.append(connection)

    connection_created.connect(enclose)
    yield around
    connection_created.disconnect(enclose)
    for one in enclosed:
        one.execute_wrappers.clear()


def crowded(seed: int = 2) -> Stress:
    """Return a run in which a known fault hardly ever hides: one agent, and no rest for who adds tasks and who pauses."""
    return Stress(
        seed=seed, tasks=30, agents=1, work_s=0.03, grow_s=0.0, pause_s=0.02, expand_share=0.2, silent_s=4
    )


def breaks_a_promise() -> bool:
    """Say whether a fault shows; a race that nobody lost is run again."""
    return any(crowded(seed).run() for seed in range(2, 7))


def test_without_a_fault_the_crowded_run_holds_every_promise() -> None:
    assert crowded().run() == []


def test_every_promise_holds_while_work_fails_vanishes_grows_and_is_cancelled() -> None:
    assert Stress(seed=1, tasks=40).run() == []


@pytest.mark.parametrize(("words", "vendor"), PUT_BACK)
def test_a_known_fault_that_is_put_back_breaks_a_promise(
    words: str, vendor: str, put_back: dict[str, line.Line]
) -> None:
    if vendor != connection.vendor:
        pytest.skip(f"only in {vendor}")
    put_back[vendor] = faulty(vendor, words)

    assert breaks_a_promise()


@pytest.mark.parametrize("words", STATEMENTS)
def test_a_known_fault_of_a_service_that_is_put_back_breaks_a_promise(
    words: str, every_connection: list[Callable[..., Any]]
) -> None:
    fault, vendors = STATEMENTS[words]
    if connection.vendor not in vendors:
        pytest.skip(f"only in {vendors}")
    every_connection.append(fault)

    assert breaks_a_promise()


def rows_read(ask: Callable[[], object]) -> int:
    """Return how many rows of the engine's tables PostgreSQL reads for this, by its own count."""
    count = "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables where relname like 'work_%'"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(count)
        before = cursor.fetchone()[0]
        ask()
        cursor.execute(count)
        return int(cursor.fetchone()[0] - before)


def steps_made(ask: Callable[[], object]) -> int:
    """Return how many steps SQLite's machine makes for this, in hundreds."""
    steps: list[None] = []
    connection.ensure_connection()
    connection.connection.set_progress_handler(lambda: steps.append(None), 100)
    ask()
    connection.connection.set_progress_handler(None, 0)
    return len(steps)


COST: Mapping[str, Callable[[Callable[[], object]], int]] = {"postgresql": rows_read, "sqlite": steps_made}


def cost_behind(paused: int) -> int:
    """Return what a claim costs that so much paused work stands before, in the same line."""
    for _ in range(paused // 200):
        waiting = a_graph(
            *[TaskSpec(key=str(n), title="x", kind="test.nothing", priority=0) for n in range(200)]
        )
        pause_graph(waiting.pk, by="owner:ada")
    wanted = a_graph(TaskSpec(key="a", title="A", kind="test.nothing")).tasks.get()
    let_it_be_counted()
    claimed: list[Assignment | None] = []
    cost = COST[connection.vendor](lambda: claimed.append(claim_task(worker="w")))
    assert [one and one.reuse_key for one in claimed] == [wanted.pk]
    return cost


def test_a_claim_reads_nothing_of_the_paused_work_before_it() -> None:
    alone, behind = cost_behind(0), cost_behind(600)

    assert behind <= alone + 20


@pytest.mark.parametrize("words", FAULTS_OF_COST)
def test_a_known_fault_that_is_put_back_makes_a_claim_read_what_is_paused(
    words: str, put_back: dict[str, line.Line]
) -> None:
    put_back[connection.vendor] = faulty(connection.vendor, words)

    alone, behind = cost_behind(0), cost_behind(600)

    assert behind > alone + 100


def let_it_be_counted() -> None:
    """Let the planner know what came: a server that lives does so by itself, within a minute."""
    with connection.cursor() as cursor:
        cursor.execute("analyze")


def cost_of_an_end(beside: int) -> int:
    """Return what it costs to end a task that one other waits for, so many more edges being there."""
    for _ in range(beside // 200):
        row = [
            TaskSpec(key=f"t{n}", title="x", kind="test.nothing", after=(f"t{n - 1}",) if n else ())
            for n in range(200)
        ]
        pause_graph(a_graph(*row).pk, by="owner:ada")
    dag = a_graph(
        TaskSpec(key="a", title="A", kind="test.nothing"),
        TaskSpec(key="b", title="B", kind="test.nothing", after=("a",)),
    )
    let_it_be_counted()
    assignment = take()
    assert assignment is not None
    cost = COST[connection.vendor](lambda: finish_attempt(assignment.id, Outcome(kind="done")))
    assert states_of(dag) == {"a": "completed", "b": "ready"}
    cancel_task(dag.tasks.get(key="b").pk, by="owner:ada")
    return cost


def test_an_end_reads_nothing_of_what_others_wait_for() -> None:
    alone, beside = cost_of_an_end(0), cost_of_an_end(600)

    assert beside <= alone + 100  # of 600 edges


def end_while_the_graph_grows() -> str:
    """Let a task be done while a new one that waits for it is being added; return where the new one stands."""
    dag = a_graph(TaskSpec(key="a", title="A", kind="test.nothing"))
    assignment = take()
    assert assignment is not None
    ended = threading.Event()

    def end() -> None:
        finish_attempt(assignment.id, Outcome(kind="done"))
        ended.set()
        connections.close_all()

    ender = threading.Thread(target=end)
    with transaction.atomic():
        lock_graph(dag.pk)
        ender.start()
        ended.wait(0.5)
        extend_graph(dag, tasks=[TaskSpec(key="b", title="B", kind="test.nothing", after=("a",))])
    ender.join(30)
    return states_of(dag)["b"]


def test_an_edge_that_comes_while_an_end_waits_for_its_graph_is_seen_by_the_end() -> None:
    assert end_while_the_graph_grows() == "ready"


@pytest.mark.drill
@pytest.mark.parametrize("seed", range(100))
def test_every_promise_holds_over_a_hundred_seeds(seed: int) -> None:
    assert Stress(seed=seed, tasks=120, workers=6).run() == []
