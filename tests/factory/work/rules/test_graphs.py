"""A graph is checked as a whole: circles are listed, every fault is named."""

from hypothesis import given
from hypothesis import strategies as st

from factory.work.rules import TaskSpec, find_cycle, graph_faults, paths_behind

nodes = st.integers(min_value=0, max_value=11)
any_edges = st.dictionaries(nodes.map(str), st.frozensets(nodes.map(str), max_size=4), max_size=12)


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, frozenset[str]]:
    """Return edges that only lead to smaller numbers."""
    size = draw(st.integers(min_value=1, max_value=12))
    return {
        str(n): frozenset(str(earlier) for earlier in range(n) if draw(st.booleans())) for n in range(size)
    }


@given(any_edges)
def test_every_listed_circle_is_one(edges: dict[str, frozenset[str]]) -> None:
    circle = find_cycle(edges)

    assert all(after in edges[key] for key, after in zip(circle, circle[1:] + circle[:1], strict=True))
    assert len(set(circle)) == len(circle)


@given(acyclic(), st.data())
def test_a_circle_is_found_exactly_when_an_edge_closes_one(
    edges: dict[str, frozenset[str]], data: st.DataObject
) -> None:
    first, last = "0", str(len(edges) - 1)
    closed = {**edges, first: edges[first] | {last}, last: edges[last] | {first}}

    assert find_cycle(edges) == []
    assert find_cycle(closed) != []


@given(acyclic())
def test_a_chain_behind_is_longer_than_that_of_every_task_behind(edges: dict[str, frozenset[str]]) -> None:
    behind = paths_behind(edges)

    assert all(behind[earlier] > behind[key] for key, before in edges.items() for earlier in before)
    assert max(behind.values()) < len(edges)
    assert min(behind.values()) == 0


def test_a_sound_graph_has_no_fault() -> None:
    plan = [
        TaskSpec(key="core", title="Core", agent="Rex", type="code", validator="tests"),
        TaskSpec(key="merge", title="Merge", kind="repo.merge", after=("core",)),
    ]

    assert graph_faults(plan) == []


def test_every_fault_is_named_with_its_task() -> None:
    plan = [
        TaskSpec(key="a", title="A", type="write"),
        TaskSpec(key="b", title="B", kind="repo.merge", agent="Rex", after=("a", "z")),
        TaskSpec(key="c", title="C", agent="Rex", type="code"),
        TaskSpec(key="d", title="D", agent="Rex", type="write", validator="schema", priority=101),
        TaskSpec(key="d", title="D", agent="Rex", type="write", max_cost_microusd=-1),
    ]

    assert graph_faults(plan) == [
        "two tasks have the same key",
        "a names no agent",
        "b waits for z, which is not in the graph",
        "c is code and needs a validator",
        "d has the validator schema and no answer schema",
        "d has a priority outside 0 to 100",
        "d has a cost limit below zero",
    ]


def test_a_graph_has_one_to_two_hundred_tasks() -> None:
    tasks = [TaskSpec(key=str(n), title="T", kind="job") for n in range(201)]

    assert graph_faults([]) == ["0 tasks; 1 to 200 are possible"]
    assert graph_faults(tasks[:200]) == []
    assert graph_faults(tasks) == ["201 tasks; 1 to 200 are possible"]
