"""A decision outlives whoever asked and whoever wrote it down, and takes effect once."""

from pathlib import Path

from tests.flows.owner import Owner
from tests.flows.stack import Said, Stack, a_stack, say

IDEA = "Tell small shops when their nightly backup job did not report"
OPEN = "SELECT count(*) FROM approvals_request WHERE state = 'pending'"
STATES = (
    "SELECT r.state AS request, t.state AS task FROM approvals_request r JOIN work_task t ON t.key = 'gate'"
)
DECIDED = "SELECT count(*) FROM approvals_decision"
USED = "SELECT count(*) FROM approvals_decision WHERE used_at IS NOT NULL"
BUILDS = "SELECT count(*) FROM work_dag WHERE key LIKE 'build:%'"
DIE = "os.kill(os.getpid(), signal.SIGKILL)"
DECIDE = """
import os, signal
from django.db import transaction
from approvals.models import Request
from approvals.services import decide_request
from core.models import User
asked, owner = Request.objects.get(state__in=["pending", "approved"]), User.objects.get(role="owner", is_simulated=False)
with transaction.atomic():
    decide_request(asked.pk, answer="approve", by=owner, digest=asked.digest, channel="cli")
    {before}
{after}
"""


def decide(stack: Stack, *, before: str = "pass", after: str = "pass") -> Said:
    """Say yes in a process of its own, which does something before and after what it wrote is committed."""
    code = DECIDE.format(before=before, after=after)
    return say(stack.command("shell", "--no-imports", "-c", code), env=stack.environment)


def states(stack: Stack) -> tuple[str, str]:
    """Return how the question and the task behind it stand."""
    row = stack.rows(STATES)[0]
    return str(row["request"]), str(row["task"])


def test_a_yes_given_while_the_asker_is_dead_by_a_process_that_dies_too_takes_effect_once(
    tmp_path: Path,
) -> None:
    with a_stack(tmp_path / "home") as stack, Owner(stack) as owner:
        owner.give(IDEA)
        stack.until(lambda: stack.value(OPEN), what="the question")
        stack.kill()

        before = decide(stack, before=DIE)
        unwritten = (states(stack), stack.value(DECIDED))
        after = decide(stack, after=DIE)
        written = (states(stack), stack.value(DECIDED))
        again = decide(stack)

        assert (before.code, after.code) == (-9, -9)
        assert unwritten == (("pending", "waiting"), 0), "nothing of a decision is kept when it is not whole"
        assert written == (("approved", "ready"), 1), "decision and readiness are one commit"
        assert "ALREADY_DECIDED" in again.err
        assert stack.value(BUILDS) == 0

        stack.start()
        stack.until(lambda: stack.value(BUILDS), what="the effect")
        stack.kill()
        stack.start()
        stack.until(lambda: stack.value("SELECT count(*) FROM work_task WHERE key = 'gate' AND state = 'completed'"), what="the gate")  # fmt: skip

        assert (stack.value(DECIDED), stack.value(USED), stack.value(BUILDS)) == (1, 1, 1)
