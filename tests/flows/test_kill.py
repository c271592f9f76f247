"""The factory dies in the middle of BUILD and is started again: it goes on from its rows, and nothing is paid twice."""

from pathlib import Path

from tests.flows.owner import Owner
from tests.flows.stack import Stack, a_stack

IDEA = "Tell small shops when their nightly backup job did not report"
ANSWERED = "SELECT count(*) FROM gateway_call WHERE agent = 'Rex' AND status = 'answered'"
PAID_TWICE = """
    SELECT a.task_id, c.step_key FROM gateway_call c JOIN work_attempt a ON a.id = c.assignment_id
    WHERE c.status = 'answered' GROUP BY a.task_id, c.step_key, c.prompt_sha256 HAVING count(*) > 1
"""


def spent(stack: Stack) -> int:
    """Return what stands in the ledger for models."""
    return int(
        stack.value("SELECT coalesce(sum(amount_microusd), 0) FROM billing_entry WHERE kind = 'model_call'")
    )


def test_a_build_that_was_killed_ends_all_the_same_and_pays_no_step_twice(tmp_path: Path) -> None:
    with a_stack(tmp_path / "home") as stack, Owner(stack) as owner:
        owner.give(IDEA)
        owner.agree_until(lambda: stack.value(ANSWERED), what="Rex to write")
        answers = stack.value(ANSWERED)
        stack.until(lambda: stack.value(ANSWERED) > answers, what="one more answer of Rex", every_s=0.01)

        stack.kill()  # just paid for, perhaps not kept yet
        bounds = stack.value("SELECT coalesce(sum(bound_microusd), 0) FROM billing_hold WHERE state = 'held'")
        paid = stack.value(
            "SELECT coalesce(sum(cost_microusd), 0) FROM gateway_call WHERE status = 'answered'"
        )
        stack.start()
        owner.stand_before("delivery.release")

        answered = stack.value("SELECT sum(cost_microusd) FROM gateway_call WHERE status = 'answered'")
        lost = stack.value("SELECT coalesce(sum(amount_microusd), 0) FROM billing_entry WHERE is_lost")
        assert stack.rows(PAID_TWICE) == []
        assert lost == bounds
        assert answered >= paid > 0
        assert spent(stack) == answered + lost
        assert stack.value("SELECT count(*) FROM billing_hold WHERE state = 'held'") == 0
        assert stack.value("SELECT sum(held_microusd) FROM billing_window") == 0
        unfinished = "SELECT state FROM work_task WHERE state <> 'completed'"
        assert [row["state"] for row in stack.rows(unfinished)] == ["waiting"], "the question"
