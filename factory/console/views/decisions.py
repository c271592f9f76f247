"""Decisions: what waits, one of them, its answer, and what became of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from approvals.errors import AlreadyDecided, RequestOver, Stale
from approvals.models import Decision, Request
from approvals.services import decide_request
from core.errors import BadArguments, FactoryError
from core.models import User
from factory.console.forms import AnswerForm
from factory.console.views.frame import Page, frame_now, go_to, require_role, show
from factory.insight.services import Effect, effects_of

PER_PAGE: Final = 30
FILTERS: Final = {
    "all": ("All", tuple(Request.State.values)),
    "yes": ("Yes", (Request.State.APPROVED, Request.State.USED)),
    "no": ("No", (Request.State.REJECTED,)),
    "change": ("Changed", (Request.State.CHANGED,)),
    "silence": ("No answer", (Request.State.EXPIRED, Request.State.WITHDRAWN)),
}
TRACK: Final = ("Yes", "Waits", "Doing", "Done")
_REACHED: Final = {"waits": 1, "doing": 2, "done": 3, "failed": 2}


@dataclass(frozen=True)
class Answered:
    """One question that is over: its answer, if there was one, and its effect, if it was a yes."""

    request: Request
    decision: Decision | None
    effect: Effect | None

    @property
    def seconds(self) -> float | None:
        """How long the owner took, in business time; None: nobody answered."""
        return (self.decision.business_at - self.request.asked_at).total_seconds() if self.decision else None

    @property
    def track(self) -> list[tuple[str, str, str]]:
        """The way from a yes to its effect: mark, words, and how far for those who hear it."""
        if self.effect is None:
            return []
        here, is_bad = _REACHED[self.effect.step], self.effect.step == "failed"
        is_over = self.effect.step == "done"
        steps = []
        for index, words in enumerate(TRACK):
            if index < here or is_over:
                steps.append(("ok", words, "done"))
            elif index > here:
                steps.append(("", words, "not reached" if is_bad else "next"))
            else:
                steps.append(("bad", "Failed", "it ends here") if is_bad else ("on", words, "now"))
        return steps


@never_cache
@require_safe
def decisions(request: HttpRequest) -> HttpResponse:
    """Show what waits, the most money per hour left first, and what followed earlier answers."""
    frame = frame_now()
    waiting = Request.objects.pressing_first(frame.now)
    chosen = request.GET.get("answer", "all")
    if chosen not in FILTERS:
        chosen = "all"
    over = Request.objects.exclude(state=Request.State.PENDING).filter(state__in=FILTERS[chosen][1])
    leaf = Paginator(over.select_related("decision__by").order_by("-asked_at", "-pk"), PER_PAGE).get_page(
        request.GET.get("page")
    )
    return show(
        request,
        "console/decisions.html",
        {
            "frame": frame,
            "waiting": waiting,
            "at_worst": sum(one.worst_case_microusd or 0 for one in waiting),
            "unknown": sum(one.worst_case_microusd is None for one in waiting),
            "history": answered_of(list(leaf)),
            "leaf": leaf,
            "chosen": chosen,
            "filters": [(name, words) for name, (words, _) in FILTERS.items()],
            "parts": ("waiting",),
        },
        place="decisions",
    )


def answered_of(requests: Iterable[Request]) -> list[Answered]:
    """Return each question with its answer and what became of it."""
    requests = list(requests)
    effects = effects_of(requests)
    return [Answered(one, getattr(one, "decision", None), effects.get(one.pk)) for one in requests]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def decision(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Show one question, or take the owner's one answer to it."""
    if request.method == "POST":
        return _answer(request, request_id)
    return _show_decision(request, request_id)


def _answer(request: HttpRequest, request_id: UUID) -> HttpResponse:
    person = require_role(request, User.Role.OWNER)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _show_decision(request, request_id, refused="This answer is not complete.", status=400)
    told = form.cleaned_data
    try:
        decide_request(request_id, answer=told["answer"], by=person, digest=told["digest"], words=form.said)
    except Stale:
        return _show_decision(request, request_id, is_stale=True, status=Stale.http_status)
    except (AlreadyDecided, RequestOver) as over:
        return _show_decision(request, request_id, is_late=True, status=over.http_status)
    except BadArguments:
        words = "Say in a few words what should be different."
        return _show_decision(request, request_id, refused=words, status=BadArguments.http_status)
    except FactoryError as refusal:
        if not Request.objects.filter(pk=request_id).exists():
            raise Http404 from refusal
        return _show_decision(request, request_id, refused=refusal.sentence, status=refusal.http_status)
    return go_to(request, "decision", request_id)


def _show_decision(
    request: HttpRequest,
    request_id: UUID,
    *,
    is_stale: bool = False,
    is_late: bool = False,
    refused: str = "",
    status: int = 200,
) -> HttpResponse:
    ask = Request.objects.select_related("decision__by").filter(pk=request_id).first()
    if ask is None:
        raise Http404
    frame = frame_now()
    waiting = [one.pk for one in Request.objects.pressing_first(frame.now)]
    page: Page = {
        "frame": frame,
        "ask": ask,
        "answered": None if ask.state == Request.State.PENDING else answered_of([ask])[0],
        "number": waiting.index(ask.pk) + 1 if ask.pk in waiting else None,
        "next_one": next((pk for pk in waiting if pk != ask.pk), None),
        "seconds_left": max(0.0, (ask.deadline - frame.now).total_seconds()),
        "is_over": ask.state != Request.State.PENDING or ask.deadline <= frame.now,
        "is_stale": is_stale,
        "is_late": is_late,
        "refused": refused,
        "diff": ask.diff.splitlines(),
        "record": _record_of(ask.asked_by),
        "parts": ("answer", "answer-phone", "yes", "yes-phone"),
        "is_ready": "ready" in request.GET,
    }
    return show(request, "console/decision.html", page, place="decisions", status=status)


def _record_of(asker: str) -> dict[str, int]:
    """Return how often this asker was answered, and how often with a yes."""
    states = Request.objects.filter(asked_by=asker, decision__isnull=False).values_list("state", flat=True)
    said_yes = [state for state in states if state in FILTERS["yes"][1]]
    return {"answered": len(states), "yes": len(said_yes)}
