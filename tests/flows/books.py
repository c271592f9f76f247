"""What the books of a factory say, asked from outside."""

from tests.flows.stack import Stack

PAID_TWICE = """
    SELECT a.task_id, c.step_key FROM gateway_call c JOIN work_attempt a ON a.id = c.assignment_id
    WHERE c.status = 'answered' GROUP BY a.task_id, c.step_key, c.prompt_sha256 HAVING count(*) > 1
"""


def spent(stack: Stack) -> int:
    """Return what stands in the ledger for models."""
    return int(
        stack.value("SELECT coalesce(sum(amount_microusd), 0) FROM billing_entry WHERE kind = 'model_call'")
    )
