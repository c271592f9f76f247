"""Each step of a venture dies once, when it has taken effect and nobody knows yet: none is done or paid for twice."""

import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.flows.books import PAID_TWICE, spent
from tests.flows.owner import Owner
from tests.flows.stack import Stack

pytestmark = pytest.mark.drill
IDEA = "Tell small shops when their nightly backup job did not report"
DEATH = """
import importlib.machinery, os, signal, sys

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "factory.work.services.engine":
            return None
        spec = super().find_spec(name, path, target)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (load(module), mortal(module.Run))
        return spec

def mortal(run):
    outcome_of = run._outcome
    def dies_once(self, assignment, *, halt):
        outcome = outcome_of(self, assignment, halt=halt)
        grave = os.path.join(os.path.dirname(__file__), f"{assignment.reuse_key}-{outcome.kind}")
        if outcome.kind in ("done", "waiting") and not os.path.exists(grave):
            os.mknod(grave)
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome
    run._outcome = dies_once

sys.meta_path.insert(0, Finder)
"""
"""What Python loads before anything else: whoever has carried out a step of a task for the first time falls dead."""
LEFT_BEHIND = (
    "approvals_request", "approvals_decision", "delivery_release", "gateway_call", "pipeline_objective", "pipeline_plan",
    "pipeline_quote", "portfolio_product", "portfolio_stagechange", "portfolio_validationtest", "quality_verdict",
    "quality_gateresult", "quality_finding", "repo_merge", "work_artifact", "work_dag", "work_dependency", "work_effect",
    "work_task",
)  # fmt: skip


@dataclass
class DyingStack(Stack):
    """A factory whose processes fall dead whenever a step is over for the first time, and are started again."""

    started_with: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def run(self, name: str, *words: str, **more: str) -> None:
        """Start one process, and remember how."""
        self.started_with[name] = words
        super().run(name, *words, **more)

    def revive(self) -> None:
        """Start again what is dead."""
        for name, child in list(self.children.items()):
            if child.poll() is not None:
                self.run(name, *self.started_with[name])


def bring_to_users(stack: DyingStack) -> None:
    """Give the idea, say yes to everything, and start again what is dead, until users meet the product."""
    with Owner(stack.start()) as owner:
        with suppress(httpx.TransportError):
            owner.give(IDEA)
        venture = stack.value("SELECT id FROM portfolio_product")
        while not owner.is_live(venture):
            stack.revive()
            with suppress(httpx.TransportError):
                owner.answer_all()
            time.sleep(0.1)


def counted(stack: Stack) -> dict[str, int]:
    """Return how many rows there are of all that a venture leaves behind."""
    return {table: stack.value(f"SELECT count(*) FROM {table}") for table in LEFT_BEHIND}  # noqa: S608 (our own names)


def test_a_venture_whose_every_step_dies_when_it_is_done_leaves_the_same_behind_as_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(DyingStack(tmp_path / "undisturbed", worker_threads=1)) as undisturbed:
        bring_to_users(undisturbed)
        wanted, cost = counted(undisturbed), spent(undisturbed)
    graves = tmp_path / "graves"
    graves.mkdir()
    (graves / "sitecustomize.py").write_text(DEATH)

    with closing(DyingStack(tmp_path / "home", worker_threads=1, more={"PYTHONPATH": str(graves)})) as stack:
        bring_to_users(stack)

        deaths, steps = len(list(graves.glob("*-*"))), wanted["work_task"]
        assert deaths >= steps > 10
        assert counted(stack) == wanted
        assert spent(stack) == cost
        assert stack.rows(PAID_TWICE) == []
        assert stack.value("SELECT sum(held_microusd) FROM billing_window") == 0
    with capsys.disabled():
        sys.stdout.write(f"\n{steps} steps, {deaths} deaths")
