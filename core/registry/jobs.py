"""Jobs: platform code that `work` runs as a task, or the ticker runs every few seconds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from core.errors import NotRegistered
from core.registry.assignments import Assignment, Outcome, Stop
from core.registry.names import put


class Job(Protocol):
    """Carries out one assignment of its kind; safe to run again after a crash."""

    def __call__(self, assignment: Assignment, stop: Stop, /) -> Outcome:
        """Do the work."""


@dataclass(frozen=True)
class Post:
    """Where tasks of a kind of job are carried out.

    Attributes:
        queue: `cloud`, `build`, `control`, `notify` or `gpu`.
        is_quick: it ends within 100 ms, so that one worker may claim several at once.
    """

    queue: str
    is_quick: bool = False


@dataclass(frozen=True)
class Chore:
    """Something the ticker does every `every_s` seconds of machine time.

    Attributes:
        patience_s: when no chore could be done for longer than so, it waits as long again: whoever was not heard of
            meanwhile could not speak either. 0: it never waits.
    """

    name: str
    every_s: float
    run: Callable[[], object]
    patience_s: float = 0.0


_jobs: dict[str, Job] = {}
_posts: dict[str, Post] = {}
_chores: dict[str, Chore] = {}


def register_job(kind: str, *, queue: str = "control", quick: bool = False) -> Callable[[Job], Job]:
    """Register the decorated function as the job that carries out tasks of `kind`, by workers of `queue`."""

    def register(job: Job) -> Job:
        put(_jobs, name=kind, thing=job)
        put(_posts, name=kind, thing=Post(queue=queue, is_quick=quick))
        return job

    return register


def find_job(kind: str) -> Job:
    """Return the job of this kind.

    Raises:
        NotRegistered: no app offers it.
    """
    if kind not in _jobs:
        raise NotRegistered(job=kind)
    return _jobs[kind]


def post_of(kind: str) -> Post:
    """Return where tasks of this kind of job are carried out; a kind nobody offers waits among the platform's own."""
    return _posts.get(kind, Post(queue="control"))


def is_job(kind: str) -> bool:
    """Say whether platform code of this kind exists."""
    return kind in _jobs


def every(
    seconds: float, *, name: str, patience_s: float = 0.0
) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Register the decorated function as a chore; it must be safe to run twice and in two processes at once."""

    def register(run: Callable[[], object]) -> Callable[[], object]:
        put(_chores, name=name, thing=Chore(name=name, every_s=seconds, run=run, patience_s=patience_s))
        return run

    return register


def chores() -> tuple[Chore, ...]:
    """Return all chores in order of name."""
    return tuple(_chores[name] for name in sorted(_chores))
