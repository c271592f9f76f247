"""Several questions on one page: equal ones and bundles, each answered as a decision of its own."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from approvals.models import Request
from approvals.services import decide_together
from core.errors import FactoryError
from core.models import User
from core.money import in_words
from core.services import number_setting
from factory.console.forms import TogetherForm
from factory.console.views.cards import cards_now
from factory.console.views.frame import Page, frame_now, go_to, later, require_role, show
from factory.console.views.seen import looked_for, note_of


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def together(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Show the card on which this question stands with others, or take the answers to them. Source: R-12.13, R-12.29."""
    if request.method == "POST":
        return _answer(request, request_id)
    return _show_card(request, request_id)


def _answer(request: HttpRequest, request_id: UUID) -> HttpResponse:
    person = require_role(request, User.Role.OWNER)
    form = TogetherForm(request.POST)
    try:
        answers = form.answers() if form.is_valid() else []
        if not answers:
            words = "Mark yes or no for at least one of them."
            return _show_card(request, request_id, refused=words, status=400)
        looked_s = looked_for(form.cleaned_data["seen"], [one.request_id for one in answers])
        decide_together(answers, by=person, looked_s=looked_s)
    except FactoryError as refusal:
        words = f"{refusal.sentence.partition(' (')[0]} None of your answers was taken; this is how it stands now."
        return _show_card(request, request_id, refused=words, status=refusal.http_status)
    return go_to(request, "decisions", say=f"Answered {len(answers)} of them, each as a decision of its own.")


def _show_card(
    request: HttpRequest, request_id: UUID, *, refused: str = "", status: int = 200
) -> HttpResponse:
    frame = frame_now()
    holds_it = (card for card in cards_now(frame.now) if request_id in [one.id for one in card.items])
    card = next(holds_it, None)
    if card is None or card.kind == "one":
        if not Request.objects.filter(pk=request_id).exists():
            raise Http404
        return go_to(request, "decision", request_id, say=refused)
    asks = Request.objects.in_order([one.id for one in card.items])
    page: Page = {
        "frame": frame,
        "card": card,
        "asks": asks,
        "first": asks[0],
        "seconds_left": max(0.0, (card.deadline - frame.now).total_seconds()),
        "seen": note_of(one.pk for one in asks),
        "refused": refused,
        "all_yes": f"Approve all {len(asks)}, {in_words(card.worst_case_microusd)}",
        "parts": ("yes",),
        "is_ready": "ready" in request.GET,
        "pause_s": later(lambda: number_setting("approvals.pause_s")),
    }
    return show(request, "console/decision_together.html", page, place="decisions", status=status)
