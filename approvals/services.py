"""Asking, answering, using and forgetting: one conditional update decides each."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.errors import AlreadyDecided, ApprovalMissing, Forbidden, KeyReused, RequestOver, Stale
from approvals.models import Decision, Request
from approvals.rules import ANSWER_WITHIN, TITLE_LENGTH, digest_of_effect
from core.errors import BadArguments, FactoryError, NotFound
from core.ids import correlation, story_of
from core.models import AuditRow, Mode, User
from core.registry import Json, check_arguments, find_action
from core.services import audit, business_now, current_mode, publish

logger = logging.getLogger(__name__)

_STATE_AFTER = {
    Decision.Answer.APPROVE: Request.State.APPROVED,
    Decision.Answer.REJECT: Request.State.REJECTED,
    Decision.Answer.CHANGE: Request.State.CHANGED,
}


@transaction.atomic
def ask_owner(  # noqa: PLR0913 (a card shows all of this, and the owner decides by it)
    *,
    action: str,
    arguments: Json,
    title: str,
    reason: str,
    asked_by: str,
    on_yes: str,
    on_no: str,
    worst_case_microusd: int | None,
    key: str,
    binds: Mapping[str, Any] | None = None,
    evidence: Sequence[Json] = (),
    diff: str = "",
    product: str = "",
    deadline_s: float = ANSWER_WITHIN.total_seconds(),
) -> Request:
    """Put one question before the owner; under the same `key` it is asked once.

    Args:
        action: name of the registered action that a yes carries out.
        arguments: the action's arguments, checked against its schema now.
        title: the question, at most 60 characters.
        reason: why it is asked.
        asked_by: `agent:Kev`.
        on_yes: what a yes does, in words.
        on_no: what a no, a change or silence does, in words.
        worst_case_microusd: most that a yes can cost, in millionths of a US dollar; None: unknown.
        key: idempotency key of the intent; a repeat returns the first request.
        binds: artifact digest, amount, payee: what must not change until the effect.
        evidence: `{name, passed, words}` for each thing that was checked.
        diff: what a yes changes, as text.
        product: the product's label.
        deadline_s: business time for an answer.

    Raises:
        NotRegistered: no app offers the action.
        BadArguments: the arguments do not fit it, or a text is missing or too long.
        KeyReused: the key belongs to another effect.
    """
    check_arguments(find_action(action).schema, arguments)
    _check_words(title=title, reason=reason, on_yes=on_yes, on_no=on_no)
    bound = dict(binds or {})
    digest, now = digest_of_effect(action, arguments, bound), business_now()
    card = {
        "action": action, "arguments": arguments, "binds": bound, "digest": digest, "title": title, "reason": reason,
        "asked_by": asked_by, "product": product, "worst_case_microusd": worst_case_microusd, "on_yes": on_yes,
        "on_no": on_no, "evidence": list(evidence), "diff": diff, "asked_at": now,
        "deadline": now + timedelta(seconds=deadline_s), "correlation_id": correlation.get(),
    }  # fmt: skip
    request, is_new = Request.objects.get_or_create(key=key, defaults=card)
    if request.digest != digest:
        raise KeyReused(key=key)
    if is_new:
        publish("approvals.request_asked", request_id=str(request.pk), action=action)
    return request


def _check_words(**words: str) -> None:
    if missing := [name for name, text in words.items() if not text.strip()]:
        raise BadArguments(missing=", ".join(missing))
    if len(words["title"]) > TITLE_LENGTH:
        raise BadArguments(at="title", expected=f"at most {TITLE_LENGTH} characters")


@transaction.atomic
def decide_request(request_id: UUID, *, answer: str, by: User, digest: str, words: str = "") -> Decision:
    """Take the owner's one answer and carry it out, together or not at all.

    Args:
        request_id: which question.
        answer: `approve`, `reject` or `change`.
        by: who answers.
        digest: the digest that was shown to them.
        words: their reason, or what to change.

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
    _check_right(by)
    now = business_now()
    pending = Request.objects.filter(pk=request_id, state=Request.State.PENDING, deadline__gt=now)
    if not pending.filter(digest=digest).update(state=_STATE_AFTER[Decision.Answer(answer)]):
        _explain_refusal(request_id, digest)
    request = Request.objects.get(pk=request_id)
    decision = Decision.objects.create(
        request=request, answer=answer, by=by, words=words, digest_shown=digest, business_at=now
    )
    with story_of(request.correlation_id):
        _carry_out(request, answer=answer, decision_id=decision.pk)
        audit(
            actor=f"{by.role}:{by.username}", verb="approvals.decide_request", subject=request.title,
            answer=answer, request_id=str(request.pk), digest=digest, words=words, is_simulated=by.is_simulated,
        )  # fmt: skip
        _publish_answer(request, answer=answer, decision_id=decision.pk)
    return decision


def _check_right(by: User) -> None:
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


def _carry_out(request: Request, *, answer: str, decision_id: UUID) -> None:
    action = find_action(request.action)
    effect = action.on_yes if answer == Decision.Answer.APPROVE else action.on_no
    effect(request.arguments, decision_id=decision_id)


def _publish_answer(request: Request, *, answer: str, decision_id: UUID | None) -> None:
    publish(
        "approvals.request_decided",
        request_id=str(request.pk),
        decision_id=str(decision_id) if decision_id else None,
        action=request.action,
        answer=answer,
    )


@transaction.atomic
def use_decision(*, action: str, digest: str) -> Decision:
    """Use up one approval of exactly this effect; call it in the effect's own transaction.

    The caller computes `digest` from what it is about to do (`rules.digest_of_effect`), never from the request.

    Raises:
        ApprovalMissing: none given, already used, older than 4 h of business time, or for something else.
    """
    now = business_now()
    for request in Request.objects.in_force(action=action, digest=digest, now=now):
        if Request.objects.filter(pk=request.pk, state=Request.State.APPROVED).update(
            state=Request.State.USED
        ):
            decision = Decision.objects.get(request=request)
            decision.used_at = now
            decision.save(update_fields=["used_at"])
            audit(actor="system", verb="approvals.use_decision", subject=request.title, digest=digest)
            return decision
    raise ApprovalMissing(action=action, digest=digest[:12])


def expire_requests() -> int:
    """Refuse what nobody answered in time; return how many. Safe to run twice and in two processes."""
    return sum(_expire(request) for request in Request.objects.overdue(business_now()))


@transaction.atomic
def _expire(request: Request) -> bool:
    pending = Request.objects.filter(pk=request.pk, state=Request.State.PENDING)
    if not pending.update(state=Request.State.EXPIRED):
        return False
    with story_of(request.correlation_id):
        outcome = _refuse_silently(request)
        audit(
            actor="system",
            verb="approvals.expire_request",
            subject=request.title,
            outcome=outcome,
            request_id=str(request.pk),
        )
        _publish_answer(request, answer="expired", decision_id=None)
    return True


def _refuse_silently(request: Request) -> str:
    """Carry out the no; a no that cannot be carried out must not keep the question open."""
    try:
        with transaction.atomic():
            find_action(request.action).on_no(request.arguments, decision_id=request.pk)
    except FactoryError as error:
        logger.exception(
            "approvals.silence_had_no_effect", extra={"request_id": str(request.pk), "code": error.code}
        )
        return AuditRow.Outcome.FAILED
    return AuditRow.Outcome.DONE


@transaction.atomic
def withdraw_request(request_id: UUID, *, by: str, reason: str) -> bool:
    """Take an unanswered question back; say whether it was still open. Agents may withdraw, never answer."""
    pending = Request.objects.filter(pk=request_id, state=Request.State.PENDING)
    if not pending.update(state=Request.State.WITHDRAWN):
        return False
    request = Request.objects.get(pk=request_id)
    with story_of(request.correlation_id):
        audit(actor=by, verb="approvals.withdraw_request", subject=request.title, reason=reason)
        _publish_answer(request, answer="withdrawn", decision_id=None)
    return True
