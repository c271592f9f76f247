"""The state table is that of R-04.1, and a graph stands where its tasks stand."""

from core.states import sources
from factory.work.rules import FINAL, MOVES, graph_state


def test_twelve_states_and_twenty_nine_changes() -> None:
    assert len(MOVES) == 12
    assert sum(len(allowed) for allowed in MOVES.values()) == 29


def test_everything_that_is_not_over_can_be_cancelled_and_nothing_leaves_an_end() -> None:
    assert sources(MOVES, new="cancelled") == MOVES.keys() - FINAL
    assert all(not MOVES[state] for state in FINAL)


def test_only_a_worker_makes_results_and_only_a_judge_completes() -> None:
    assert sources(MOVES, new="validating") == {"running"}
    assert sources(MOVES, new="completed") == {"validating"}


def test_a_graph_is_over_when_all_tasks_are() -> None:
    assert graph_state(["completed", "cancelled"], is_blocked=False) == "completed"
    assert graph_state(["cancelled", "cancelled"], is_blocked=False) == "cancelled"


def test_a_graph_stalls_on_a_dead_letter_and_behind_a_cancelled_task() -> None:
    assert graph_state(["running", "dead_letter"], is_blocked=False) == "stalled"
    assert graph_state(["cancelled", "pending"], is_blocked=True) == "stalled"


def test_a_graph_runs_from_its_first_claim_on() -> None:
    assert graph_state(["ready", "pending"], is_blocked=False) == "pending"
    assert graph_state(["claimed", "pending"], is_blocked=False) == "running"
    assert graph_state(["completed", "pending"], is_blocked=False) == "running"
