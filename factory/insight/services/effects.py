"""What became of an answer: read from what it was bound to, never from the answer itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from approvals.models import Request
from factory.delivery.models import Release
from factory.work.models import Task

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


@dataclass(frozen=True)
class Effect:
    """How far the effect of a yes is: `waits`, `doing`, `done` or `failed`, and why it stands there."""

    step: str
    words: str


def effects_of(requests: Iterable[Request]) -> dict[UUID, Effect]:
    """Return the effect of each request that was approved; the others have none."""
    approved = [one for one in requests if one.state in (Request.State.APPROVED, Request.State.USED)]
    releases = _states(Release, approved, name="release_id")
    tasks = _states(Task, approved, name="task_id")
    return {one.pk: _effect(one, releases=releases, tasks=tasks) for one in approved}


def _states(
    model: type[Release] | type[Task], requests: list[Request], *, name: str
) -> Mapping[str, tuple[str, str]]:
    ids = {one.arguments[name] for one in requests if one.arguments.get(name)}
    reason = "why" if model is Release else "title"
    rows = model._default_manager.filter(pk__in=ids).values_list("pk", "state", reason) if ids else ()
    return {str(pk): (state, words) for pk, state, words in rows}


def _effect(
    request: Request, *, releases: Mapping[str, tuple[str, str]], tasks: Mapping[str, tuple[str, str]]
) -> Effect:
    """A release says most; a task is next; what is bound to neither was done together with the answer."""
    release = releases.get(str(request.arguments.get("release_id")))
    if release:
        return Effect(_RELEASE_STEPS[Release.State(release[0])], release[1])
    task = tasks.get(str(request.arguments.get("task_id")))
    if task:
        return Effect(_TASK_STEPS[Task.State(task[0])], task[1])
    return Effect("done", "")
