"""Queues: which exist, and who carries out what waits in them."""

from collections.abc import Collection
from typing import Protocol

from core.errors import NotRegistered
from core.registry.assignments import Stop

QUEUES = ("cloud", "build", "control", "notify", "gpu")
"""Agents without a workspace; workspaces, tests and builds; the platform's own; messages to people; the GPU host."""


class Runner(Protocol):
    """Carries out what is ready in some queues, one task after the other; safe in many processes at once."""

    def __call__(self, queues: Collection[str], *, worker: str, stop: Stop, at_most_s: float) -> int:
        """Return how many tasks were carried out; nothing is begun after `at_most_s`, when `stop` is set or none is ready."""


_runners: list[Runner] = []


def runs_queues(runner: Runner) -> Runner:
    """Register the decorated function as the one that carries out what waits in queues."""
    _runners[:] = [runner]
    return runner


def run_queues(queues: Collection[str], *, worker: str, stop: Stop, at_most_s: float) -> int:
    """Carry out what is ready in `queues`; return how many tasks that were.

    Raises:
        NotRegistered: no app carries out work here.
    """
    if not _runners:
        raise NotRegistered(runner=", ".join(queues))
    return _runners[0](queues, worker=worker, stop=stop, at_most_s=at_most_s)
