"""What became of an answer: read from what it was bound to, never from the answer itself."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import OuterRef, Subquery

from approvals.models import Request
from factory.delivery.models import Release
from factory.work.models import Attempt, Dependency, Task
from factory.work.models import Effect as Deed

_RELEASE_STEPS = {
    Release.State.ASKED: "waits",
    Release.State.APPROVED: "waits",
    Release.State.TRYING: "doing",
    Release.State.SWITCHING: "doing",
    Release.State.LIVE: "done",
    Release.State.STANDBY: "done",
    Release.State.RETIRED: "done",
    Release.State.REFUSED: "failed",
    Release.State.ROLLED_BACK: "failed",
}
_TASK_STEPS = {
    Task.State.CREATED: "waits",
    Task.State.PENDING: "waits",
    Task.State.READY: "waits",
    Task.State.WAITING: "waits",
    Task.State.RETRYING: "waits",
    Task.State.CLAIMED: "doing",
    Task.State.RUNNING: "doing",
    Task.State.VALIDATING: "doing",
    Task.State.COMPLETED: "done",
    Task.State.FAILED: "failed",
    Task.State.DEAD_LETTER: "failed",
    Task.State.CANCELLED: "failed",
}


_DEED_STEPS = {
    Deed.State.INTENT: "waits",
    Deed.State.DOING: "doing",
    Deed.State.DONE: "done",
    Deed.State.FAILED: "failed",
    Deed.State.UNKNOWN: "failed",
}
_WORST_FIRST = ("failed", "doing", "waits", "done")
_FINAL = (Task.State.COMPLETED, Task.State.CANCELLED)


@dataclass(frozen=True)
class Effect:
    """How far the effect of a yes is: `waits`, `doing`, `done` or `failed`, and why it stands there."""

    step: str
    words: str


def effects_of(requests: Iterable[Request]) -> dict[UUID, Effect]:
    """Return the effect of each request that was approved; the others have none. Source: U-19."""
    approved = [one for one in requests if one.state in (Request.State.APPROVED, Request.State.USED)]
    releases = _releases(_named(approved, "release_id"))
    tasks = _tasks(_named(approved, "task_id"))
    deeds = _deeds(approved)
    return {one.pk: _effect(one, releases=releases, tasks=tasks, deed=deeds.get(one.pk)) for one in approved}


def parked_behind(request: Request) -> int:
    """Return how many steps of work wait, spending nothing, until this question is answered. Source: U-10."""
    asking = Task.objects.filter(question=request.pk).first()
    if asking is None:
        return 0
    behind = defaultdict(set)
    open_edges = Dependency.objects.filter(task__dag=asking.dag_id).exclude(task__state__in=_FINAL)
    for step, before in open_edges.values_list("task", "depends_on"):
        behind[before].add(step)
    reached, fresh = {asking.pk}, {asking.pk}
    while fresh:
        fresh = set().union(*(behind[one] for one in fresh)) - reached
        reached |= fresh
    return len(reached)


def _named(requests: list[Request], name: str) -> set[str]:
    """Return the ids that these requests carry under this name."""
    return {one.arguments[name] for one in requests if one.arguments.get(name)}


_LAST_ERROR: Final = (
    Attempt.objects.filter(task=OuterRef("pk")).exclude(error="").order_by("-n").values("error")[:1]
)
_TASKS: Final = Task.objects.annotate(died_of=Subquery(_LAST_ERROR)).values_list("pk", "state", "died_of")
_RELEASES: Final = Release.objects.values_list("pk", "state", "why")


def _releases(ids: set[str]) -> dict[str, tuple[str, str]]:
    """Return state and reason of each release."""
    rows = _RELEASES.filter(pk__in=ids) if ids else ()
    return {str(pk): (state, why) for pk, state, why in rows}


def _tasks(ids: set[str]) -> dict[str, tuple[str, str]]:
    """Return state of each task, and of what its last failed attempt died, when the task failed."""
    rows = _TASKS.filter(pk__in=ids) if ids else ()
    has_failed = {state for state, step in _TASK_STEPS.items() if step == "failed"}
    return {str(pk): (state, (error or "") if state in has_failed else "") for pk, state, error in rows}


def _deeds(approved: list[Request]) -> dict[UUID | None, Effect]:
    """Return what was written down to be done outside because of each request: of several, the one that stands worst."""
    found: dict[UUID | None, list[Effect]] = defaultdict(list)
    for deed in Deed.objects.filter(request__in=[one.pk for one in approved]) if approved else ():
        words = deed.words or (deed.get_state_display() if deed.state == Deed.State.UNKNOWN else deed.title)
        found[deed.request_id].append(Effect(_DEED_STEPS[Deed.State(deed.state)], words))
    return {pk: min(each, key=lambda one: _WORST_FIRST.index(one.step)) for pk, each in found.items()}


def _effect(
    request: Request,
    *,
    releases: Mapping[str, tuple[str, str]],
    tasks: Mapping[str, tuple[str, str]],
    deed: Effect | None,
) -> Effect:
    """What is done outside says most, then a release, then a task; what is bound to none was done with the answer.

    Whichever of them failed says so first: work that was given up brings nothing any more.
    """
    release = releases.get(str(request.arguments.get("release_id")))
    task = tasks.get(str(request.arguments.get("task_id")))
    said = [
        *([deed] if deed else []),
        *([Effect(_RELEASE_STEPS[Release.State(release[0])], release[1])] if release else []),
        *([Effect(_TASK_STEPS[Task.State(task[0])], task[1])] if task else []),
    ]
    failed = (one for one in said if one.step == "failed")
    return next(failed, said[0] if said else Effect("done", ""))
