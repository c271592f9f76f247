"""Work: what is ready, what waits and for what, what gave up and its ways out."""

from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from billing.models import Limit, Period
from core.errors import FactoryError
from core.models import User
from factory.console.views.frame import Page, go_to, later, require_role, show
from factory.insight.services import Try, cost_of, given_up, queue_now, titles_behind, tries_of
from factory.insight.services.queue import QUEUES
from factory.work.models import DeadLetter, Schedule, Task
from factory.work.services import (
    cancel_branch,
    continue_without,
    pause_schedule,
    replace_task,
    resume_schedule,
    retry_dead_letter,
)

KEEPERS = (User.Role.OWNER, User.Role.OPERATOR)
MOST_STORIES = 10


@dataclass(frozen=True)
class Story:
    """One step that gave up: its tries, what waits behind it, what it may cost."""

    letter: DeadLetter
    tries: tuple[Try, ...]
    behind: tuple[str, ...]
    cap_microusd: int | None

    @property
    def cost_microusd(self) -> int | None:
        """What all its tries cost; None: none of them asked a model."""
        return cost_of(self.tries)


def stories() -> tuple[Story, ...]:
    """Return the steps that gave up, the oldest first."""
    letters = given_up(at_most=MOST_STORIES)
    tasks = [one.task_id for one in letters]
    tries, waiting = tries_of(tasks), titles_behind(tasks)
    limits = Limit.objects.filter(scope__in=[one.task.scope_id for one in letters], period=Period.LIFE)
    caps = dict(limits.values_list("scope", "cap_microusd"))
    return tuple(
        Story(one, tuple(tries[one.task_id]), tuple(waiting[one.task_id]), caps.get(one.task.scope_id))
        for one in letters
    )


@never_cache
@require_safe
def work(request: HttpRequest) -> HttpResponse:
    """Show the queue. Source: R-04.23."""
    return _show_work(request)


def _show_work(request: HttpRequest, *, refused: str = "", status: int = 200) -> HttpResponse:
    page: Page = {
        "queue": later(queue_now),
        "queues": QUEUES,
        "stories": later(stories),
        "schedules": later(
            lambda: list(Schedule.objects.select_related("product", "last_dag").order_by("next_at", "pk"))
        ),
        "refused": refused,
        "parts": ("counts", "wait", "gone", "depth", "sched"),
    }
    return show(request, "console/work.html", page, place="work", status=status)


@require_POST
def choose(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Take one way on with a step that gave up or was ended; what is left out or replaced is the owner's to say. Source: R-04.25."""
    what, brief = request.POST.get("what", ""), request.POST.get("brief", "").strip()
    roles = (User.Role.OWNER,) if what in ("without", "replace") else KEEPERS
    actor = require_role(request, *roles).as_actor
    found = Task.objects.filter(pk=task_id).first()
    if found is None:
        raise Http404
    try:
        said = _do(what, found, actor=actor, brief=brief)
    except FactoryError as refusal:
        return _show_work(request, refused=refusal.sentence, status=refusal.http_status)
    if not said:
        return _show_work(request, refused="Nothing was chosen, or nothing was said anew.", status=400)
    return go_to(request, "graph", found.dag_id, say=said)


def _do(what: str, task: Task, *, actor: str, brief: str) -> str:
    """Carry out one choice and say what was done; empty: it is no choice."""
    if what in ("retry", "change"):
        letter = task.dead_letters.filter(resolution="").first()
        if letter is None or (what == "change" and not brief):
            return ""
        retry_dead_letter(letter.pk, by=actor, brief=brief if what == "change" else "")
        return f"“{task.title}” is tried again."
    if what == "without":
        continue_without(task.pk, by=actor)
        return f"The work goes on without “{task.title}”."
    if what == "replace" and brief:
        replace_task(task.pk, by=actor, brief=brief)
        return f"Another step stands in the place of “{task.title}”."
    if what == "drop":
        cancel_branch(task.pk, by=actor)
        return f"“{task.title}” and what waited for it are ended."
    return ""


@require_POST
def schedule(request: HttpRequest, schedule_id: UUID) -> HttpResponse:
    """Pause a schedule, or let it go on; only the owner does the latter."""
    is_resumed = request.POST.get("what") == "resume"
    person = require_role(request, *((User.Role.OWNER,) if is_resumed else KEEPERS))
    try:
        (resume_schedule if is_resumed else pause_schedule)(schedule_id, by=person.as_actor)
    except FactoryError as refusal:
        return _show_work(request, refused=refusal.sentence, status=refusal.http_status)
    return go_to(request, "work", say="It goes on." if is_resumed else "It is paused.")
