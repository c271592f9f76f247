"""Queues: which exist, and who carries out what waits in them."""

from collections.abc import Collection
from typing import Protocol

from core.errors import NotRegistered
from core.registry.assignments import Stop

QUEUES = ("cloud", "build", "control", "notify", "gpu")
"""Agents without a workspace; workspaces, tests and builds; the platform's own; messages to people; the GPU host."""


class Runner(Protocol):
    """Carries out what is ready in some queues, one task after the other; safe in many processes at once. Source: R-20.1."""

    def __call__(
        self,
        queues: Collection[str],
        *,
        worker: str,
        stop: Stop,
        at_most_s: float = ...,
        is_urgent_only: bool = ...,
    ) -> int:
        """Return how many attempts ended; nothing is begun after `at_most_s`, when `stop` is set or none is ready.

        With `is_urgent_only` nothing but critical work is taken. Source: R-04.28.
        """


_runners: list[Runner] = []


def runs_queues(runner: Runner) -> Runner:
    """Register the decorated function as the one that carries out what waits in queues."""
    _runners[:] = [runner]
    return runner


def find_runner() -> Runner:
    """Return who carries out work here.

    Raises:
        NotRegistered: no app does.
    """
    if not _runners:
        raise NotRegistered(runner="of queues")
    return _runners[0]
