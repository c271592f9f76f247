"""Work: what is ready, what waits and for what, what gave up and its ways out."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from billing.models import Limit, Period
from core.errors import FactoryError
from core.models import User
from factory.console.views.frame import Page, actor_of, go_to, later, require_role, show
from factory.insight.services import Step, given_up, graphs_of, queue_now
from factory.insight.services.queue import QUEUES
from factory.work.models import DeadLetter
from factory.work.services import cancel_task, retry_dead_letter

KEEPERS = (User.Role.OWNER, User.Role.OPERATOR)
MOST_STORIES = 10


@dataclass(frozen=True)
class Story:
    """One step that gave up: its tries, what waits behind it, what it may cost."""

    letter: DeadLetter
    step: Step | None
    behind: tuple[Step, ...]
    cap_microusd: int | None


def stories() -> tuple[Story, ...]:
    """Return the steps that gave up, the oldest first."""
    letters = given_up(at_most=MOST_STORIES)
    graphs = {graph.dag.pk: graph for graph in graphs_of({one.task.dag for one in letters})}
    caps = dict(
        Limit.objects.filter(
            scope__in=[one.task.scope_id for one in letters], period=Period.LIFE
        ).values_list("scope", "cap_microusd")
    )
    return tuple(_story(letter, graphs[letter.task.dag_id].steps, caps=caps) for letter in letters)


def _story(letter: DeadLetter, steps: tuple[Step, ...], *, caps: Mapping[UUID, int]) -> Story:
    return Story(
        letter,
        next((step for step in steps if step.task.pk == letter.task_id), None),
        tuple(step for step in steps if letter.task_id in step.needs),
        caps.get(letter.task.scope_id),
    )


@never_cache
@require_safe
def work(request: HttpRequest) -> HttpResponse:
    """Show the queue."""
    return _show_work(request)


def _show_work(request: HttpRequest, *, refused: str = "", status: int = 200) -> HttpResponse:
    page: Page = {
        "queue": later(queue_now),
        "queues": QUEUES,
        "stories": later(stories),
        "refused": refused,
        "parts": ("counts", "wait", "gone", "depth"),
    }
    return show(request, "console/work.html", page, place="work", status=status)


@require_POST
def gave_up(request: HttpRequest, letter_id: UUID) -> HttpResponse:
    """Take one way out of a step that gave up."""
    person = require_role(request, *KEEPERS)
    actor, what = actor_of(person), request.POST.get("what", "")
    try:
        if what == "retry":
            retry_dead_letter(letter_id, by=actor)
            return go_to(request, "work", say="It is tried again.")
        if what == "change" and (brief := request.POST.get("brief", "").strip()):
            retry_dead_letter(letter_id, by=actor, brief=brief)
            return go_to(request, "work", say="It is tried again with the new words.")
        if what in ("drop", "drop_all") and (letter := DeadLetter.objects.filter(pk=letter_id).first()):
            cancel_task(
                letter.task_id, by=actor, reason="dropped by hand", with_dependents=what == "drop_all"
            )
            return go_to(request, "work", say="It is dropped.")
    except FactoryError as refusal:
        return _show_work(request, refused=refusal.sentence, status=refusal.http_status)
    return _show_work(request, refused="Nothing was changed: say what should be different.", status=400)
