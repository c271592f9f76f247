"""What became of an answer: read from what it was bound to, never from the answer itself."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.db.models import OuterRef, Subquery, TextField, Value
from django.db.models.functions import Coalesce

from approvals.models import Request
from core.adapters.questions import Question, prepared
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
    bound = _bound(approved)
    return {one.pk: _effect(one, bound) for one in approved}


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


def _named(requests: list[Request], name: str) -> list[UUID]:
    """Return the ids that these requests carry under this name."""
    return [UUID(one.arguments[name]) for one in requests if one.arguments.get(name)]


_LAST_ERROR: Final = (
    Attempt.objects.filter(task=OuterRef("pk")).exclude(error="").order_by("-n").values("error")[:1]
)
_DIED_OF: Final = Coalesce(Subquery(_LAST_ERROR), Value(""), output_field=TextField())
_TASKS: Final = Task.objects.order_by().values_list(Value("task"), "pk", "state", _DIED_OF, Value(""))
_RELEASES: Final = Release.objects.order_by().values_list(Value("release"), "pk", "state", "why", Value(""))
_DEEDS: Final = Deed.objects.order_by().values_list(Value("deed"), "request", "state", "words", "title")


@prepared
def _bound_to(requests: list[UUID], releases: list[UUID], tasks: list[UUID]) -> Question:
    """Whatever an effect can be read from, with what it is, its id, how far it is, and two columns of words."""
    asked = _DEEDS.filter(request__in=requests)
    return asked.union(_RELEASES.filter(pk__in=releases), _TASKS.filter(pk__in=tasks), all=True)


@dataclass(frozen=True)
class _Bound:
    """How far what these requests are bound to is, by id: releases, tasks, and what is done outside because of each request."""

    release: dict[str, Effect] = field(default_factory=dict)
    task: dict[str, Effect] = field(default_factory=dict)
    deed: dict[str, Effect] = field(default_factory=dict)


def _bound(approved: list[Request]) -> _Bound:
    """Return it for all of them, in one question; of several deeds, the one that stands worst."""
    bound = _Bound()
    if not approved:
        return bound
    asked = ([one.pk for one in approved], _named(approved, "release_id"), _named(approved, "task_id"))
    for kind, ref, state, words, title in _bound_to(*asked):
        if kind == "release":
            bound.release[str(ref)] = Effect(_RELEASE_STEPS[Release.State(state)], words)
        elif kind == "task":
            step = _TASK_STEPS[Task.State(state)]
            bound.task[str(ref)] = Effect(step, words if step == "failed" else "")
        else:
            said = words or (Deed.State.UNKNOWN.label if state == Deed.State.UNKNOWN else title)
            deed = Effect(_DEED_STEPS[Deed.State(state)], said)
            bound.deed[str(ref)] = min(bound.deed.get(str(ref), deed), deed, key=_how_bad)
    return bound


def _how_bad(effect: Effect) -> int:
    return _WORST_FIRST.index(effect.step)


def _effect(request: Request, bound: _Bound) -> Effect:
    """What is done outside says most, then a release, then a task; what is bound to none was done with the answer.

    Whichever of them failed says so first: work that was given up brings nothing any more.
    """
    found = (
        bound.deed.get(str(request.pk)),
        bound.release.get(str(request.arguments.get("release_id"))),
        bound.task.get(str(request.arguments.get("task_id"))),
    )
    said = [effect for effect in found if effect]
    failed = (one for one in said if one.step == "failed")
    return next(failed, said[0] if said else Effect("done", ""))
