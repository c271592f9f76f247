"""Answering: one conditional update decides, and the effect in rows is part of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from approvals.errors import AlreadyDecided, Forbidden, NotTakenBack, RequestOver, Stale
from approvals.models import Decision, Request
from approvals.services.facts import publish_answer
from core.errors import BadArguments, NotFound
from core.ids import story_of
from core.models import Mode, User
from core.registry import find_action
from core.services import audit, business_now, current_mode, publish

_STATE_AFTER = {
    Decision.Answer.APPROVE: Request.State.APPROVED,
    Decision.Answer.REJECT: Request.State.REJECTED,
    Decision.Answer.CHANGE: Request.State.CHANGED,
}


@dataclass(frozen=True)
class Answer:
    """One answer of several that are given together: to which question, what, to which digest."""

    request_id: UUID
    answer: str
    digest: str
    words: str = ""


@transaction.atomic
def decide_request(  # noqa: PLR0913 (an answer is bound to all of this)
    request_id: UUID,
    *,
    answer: str,
    by: User,
    digest: str,
    words: str = "",
    channel: str = Decision.Channel.PAGE,
    looked_s: float | None = None,
) -> Decision:
    """Take the owner's one answer and carry it out, together or not at all. Source: R-12.26, R-12.27.

    Decision, effect in rows and readiness of the step are one commit (Source: U-19). The change of a third round
    counts as no (Source: R-12.9).

    Args:
        request_id: which question.
        answer: `approve`, `reject` or `change`.
        by: who answers.
        digest: the digest that was shown to them.
        words: their reason, or what to change.
        channel: the door it came through.
        looked_s: machine time from the page to the answer; None: unknown.

    Raises:
        BadArguments: the answer is none of the three, or a change without words.
        Forbidden: they are not the owner, or simulated in a real factory.
        NotFound: no such question.
        Stale: another digest was shown.
        AlreadyDecided: the first answer stands; its facts say which.
        RequestOver: expired or withdrawn.
    """
    if answer not in Decision.Answer.values or (answer == Decision.Answer.CHANGE and not words.strip()):
        raise BadArguments(at="answer", expected="approve, reject, or change with words")
    check_right(by)
    now, given = business_now(), _counted(request_id, answer)
    pending = Request.objects.filter(pk=request_id, state=Request.State.PENDING, deadline__gt=now)
    if not pending.filter(digest=digest).update(state=_STATE_AFTER[given]):
        _explain_refusal(request_id, digest)
    request = Request.objects.get(pk=request_id)
    decision = Decision.objects.create(
        request=request, answer=given, by=by, words=words, digest_shown=digest, channel=channel, looked_s=looked_s,
        business_at=now,
    )  # fmt: skip
    with story_of(request.correlation_id):
        _carry_out(request, decision)
        audit(
            actor=f"{by.role}:{by.username}", verb="approvals.decide_request", subject=request.title, answer=answer,
            counted_as=given, request_id=str(request.pk), digest=digest, words=words, channel=channel,
            seconds=decision.seconds, looked_s=looked_s, is_simulated=by.is_simulated,
        )  # fmt: skip
        publish_answer(request, answer=given, decision_id=decision.pk)
    return decision


def _counted(request_id: UUID, answer: str) -> Decision.Answer:
    request = Request.objects.filter(pk=request_id).first()
    is_last = request is not None and request.is_last_round
    return Decision.Answer.REJECT if answer == "change" and is_last else Decision.Answer(answer)


def check_right(by: User) -> None:
    """Refuse everyone but the owner; a simulated one answers in rehearsals alone.

    Raises:
        Forbidden: they may not answer.
    """
    if not (by.is_owner and by.is_active):
        raise Forbidden(role=by.role)
    if by.is_simulated and current_mode() == Mode.REAL:
        raise Forbidden(why="a simulated owner answers in rehearsals alone")


def _explain_refusal(request_id: UUID, digest: str) -> None:
    request = Request.objects.filter(pk=request_id).first()
    if request is None:
        raise NotFound(request=request_id)
    if first := Decision.objects.filter(request=request).select_related("by").first():
        raise AlreadyDecided(answer=first.answer, by=first.by.username, at=first.at.isoformat())
    if request.digest != digest:
        raise Stale(title=request.title)
    raise RequestOver(title=request.title, deadline=request.deadline.isoformat())


def _carry_out(request: Request, decision: Decision) -> None:
    action = find_action(request.action)
    effect = action.on_yes if decision.answer == Decision.Answer.APPROVE else action.on_no
    effect(request.arguments, decision_id=decision.pk)


@transaction.atomic
def decide_together(
    answers: Sequence[Answer],
    *,
    by: User,
    channel: str = Decision.Channel.PAGE,
    looked_s: float | None = None,
) -> list[Decision]:
    """Take several answers as decisions of their own, all of them or none. Source: R-12.13, R-12.29.

    Raises:
        BadArguments: there is none, or one question is answered twice.
        AlreadyDecided, RequestOver, Stale, NotFound, Forbidden: one of them is refused; nothing was taken.
    """
    if not answers or len({one.request_id for one in answers}) != len(answers):
        raise BadArguments(at="answers", expected="one answer to each question, at least one")
    return [
        decide_request(
            one.request_id, answer=one.answer, by=by, digest=one.digest, words=one.words, channel=channel,
            looked_s=looked_s,
        )
        for one in sorted(answers, key=lambda one: one.request_id)
    ]  # fmt: skip


def may_take_back(request: Request) -> bool:
    """Say whether the yes to this question is unused and of a kind that can be held back."""
    return request.state == Request.State.APPROVED and find_action(request.action).on_take_back is not None


@transaction.atomic
def take_back(request_id: UUID, *, by: User, channel: str = Decision.Channel.PAGE) -> Request:
    """Undo a yes that nothing was done with yet; the question is open again until its deadline.

    The decision goes; the audit rows of both stay.

    Raises:
        Forbidden: they are not the owner.
        NotFound: no such question.
        NotTakenBack: there is no unused yes, or what it allowed has begun or cannot be held back.
    """
    check_right(by)
    request = Request.objects.filter(pk=request_id).first()
    if request is None:
        raise NotFound(request=request_id)
    approved = Request.objects.filter(pk=request_id, state=Request.State.APPROVED)
    hold_back = find_action(request.action).on_take_back
    if hold_back is None or not approved.update(state=Request.State.PENDING):
        raise NotTakenBack(title=request.title)
    decision = Decision.objects.get(request=request)
    with story_of(request.correlation_id):
        hold_back(request.arguments, decision_id=decision.pk)
        audit(
            actor=f"{by.role}:{by.username}", verb="approvals.take_back", subject=request.title, channel=channel,
            request_id=str(request.pk), digest=request.digest,
        )  # fmt: skip
        publish("approvals.decision_taken_back", request_id=str(request.pk), action=request.action)
    decision.delete()
    request.refresh_from_db()
    return request
