"""Decisions: what waits, one of them, its answer, and what became of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from approvals.errors import AlreadyDecided, NotTakenBack, RequestOver, Stale
from approvals.models import Decision, Request
from approvals.services import decide_request, gate_records, may_take_back, record_of, take_back
from core.errors import BadArguments, FactoryError, NotFound
from core.models import User
from core.services import number_setting
from factory.console.forms import AnswerForm
from factory.console.rules.decisions import load_of
from factory.console.views.cards import cards_now, one_by_one, shown
from factory.console.views.frame import Page, frame_now, go_to, later, require_role, show
from factory.console.views.seen import looked_for, note_of
from factory.insight.services import Effect, effects_of, parked_behind

PER_PAGE: Final = 30
AT_WORK: Final = 20
"""So many of the last answers are looked through for an effect that moves or failed."""
FILTERS: Final = {
    "all": ("All", tuple(Request.State.values)),
    "yes": ("Yes", (Request.State.APPROVED, Request.State.USED)),
    "no": ("No", (Request.State.REJECTED,)),
    "change": ("Changed", (Request.State.CHANGED,)),
    "silence": ("No answer", (Request.State.EXPIRED, Request.State.WITHDRAWN)),
}
TRACK: Final = ("Yes", "Waits", "Doing", "Done")
_REACHED: Final = {"waits": 1, "doing": 2, "done": 3, "failed": 2}
_BOXES: Final = ("answer", "answer-phone", "bar")
_WORSTS: Final = ("worst", "worst-phone")
_YES: Final = ("yes", "yes-phone")


@dataclass(frozen=True)
class Answered:
    """One question that is over: its answer, if there was one, and its effect, if it was a yes."""

    request: Request
    decision: Decision | None
    effect: Effect | None

    @property
    def is_void(self) -> bool:
        """Whether a yes was not used in time."""
        return self.decision is not None and self.request.state == Request.State.EXPIRED

    @property
    def is_moving(self) -> bool:
        """Whether its effect is still to come."""
        return self.effect is not None and self.effect.step in {"waits", "doing"}

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
    cards = cards_now(frame.now)
    if "split" in request.GET:
        cards = one_by_one(cards, now=frame.now)
    chosen = request.GET.get("answer", "all")
    if chosen not in FILTERS:
        chosen = "all"
    page: Page = {
        "frame": frame,
        "cards": (waiting := Paginator(cards, PER_PAGE).get_page(request.GET.get("waiting"))),
        "shown": later(lambda: shown(list(waiting))),
        "is_split": "split" in request.GET,
        "at_worst": sum(card.known_microusd for card in cards),
        "unknown": sum(card.unknown for card in cards),
        "at_work": later(answers_at_work),
        "load": later(lambda: load_of(gate_records(frame.now))),
        "leaf": (leaf := later(lambda: _history(chosen, request.GET.get("page")))),
        "history": later(lambda: answered_of(leaf)),
        "chosen": chosen,
        "filters": [(name, words) for name, (words, _) in FILTERS.items()],
        "parts": ("waiting", "doing"),
    }
    return show(request, "console/decisions.html", page, place="decisions")


def _history(chosen: str, page: str | None) -> Iterable[Request]:
    over = Request.objects.exclude(state=Request.State.PENDING).filter(state__in=FILTERS[chosen][1])
    rows = over.for_lists().select_related("decision").order_by("-asked_at", "-pk")
    return Paginator(rows, PER_PAGE).get_page(page)


def answered_of(requests: Iterable[Request]) -> list[Answered]:
    """Return each question with its answer and what became of it."""
    requests = list(requests)
    effects = effects_of(requests)
    return [Answered(one, getattr(one, "decision", None), effects.get(one.pk)) for one in requests]


def answers_at_work() -> list[Answered]:
    """Return the last answers whose effect is still to come, or failed."""
    last = Request.objects.for_lists().filter(state__in=FILTERS["yes"][1]).select_related("decision")
    answered = answered_of(last.order_by("-asked_at", "-pk")[:AT_WORK])
    return [one for one in answered if one.effect is not None and one.effect.step != "done"]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def decision(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Show one question, or take the owner's one answer to it. Source: R-12.16, U-20."""
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
        decide_request(
            request_id, answer=told["answer"], by=person, digest=told["digest"], words=form.said,
            looked_s=looked_for(told["seen"], [request_id]),
        )  # fmt: skip
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


@require_POST
def take_yes_back(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Open a question again whose yes nobody acted on yet."""
    person = require_role(request, User.Role.OWNER)
    try:
        take_back(request_id, by=person)
    except NotFound as nothing:
        raise Http404 from nothing
    except NotTakenBack as refusal:
        words = "Its effect has begun, so it cannot be taken back any more."
        return _show_decision(request, request_id, refused=words, status=refusal.http_status)
    return go_to(request, "decision", request_id, say="Your yes is taken back. The question is open again.")


def _show_decision(
    request: HttpRequest,
    request_id: UUID,
    *,
    is_stale: bool = False,
    is_late: bool = False,
    refused: str = "",
    status: int = 200,
) -> HttpResponse:
    ask = Request.objects.select_related("decision__by", "follows__decision").filter(pk=request_id).first()
    if ask is None:
        raise Http404
    frame = frame_now()
    order = [one.id for card in cards_now(frame.now) for one in card.items]
    is_over = ask.state != Request.State.PENDING or ask.deadline <= frame.now
    answered = None if ask.state == Request.State.PENDING else answered_of([ask])[0]
    page: Page = {
        "frame": frame,
        "ask": ask,
        "answered": answered,
        "may_take_back": answered and answered.effect and answered.effect.step == "waits" and may_take_back(ask),
        "number": order.index(ask.pk) + 1 if ask.pk in order else None,
        "next_one": next((pk for pk in order if pk != ask.pk), None),
        "seconds_left": max(0.0, (ask.deadline - frame.now).total_seconds()),
        "reminders": ask.reminders_at(frame.now),
        "is_over": is_over,
        "is_stale": is_stale,
        "is_late": is_late,
        "refused": refused,
        "seen": note_of([ask.pk]),
        "diff": ask.diff.splitlines(),
        "record": later(lambda: record_of(ask)),
        "parked": 0 if is_over else parked_behind(ask),
        "asked_anew": ask.followers.order_by("pk").first() if ask.state == Request.State.CHANGED else None,
        "parts": (*_YES, *(_BOXES if is_over else _WORSTS)),
        "is_ready": "ready" in request.GET,
        "pause_s": later(lambda: number_setting("approvals.pause_s")),
    }  # fmt: skip
    return show(request, "console/decision.html", page, place="decisions", status=status)
