"""Asking the owner, and taking a question back."""

from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.errors import KeyReused, Misleading
from approvals.models import Request
from approvals.rules import (
    TITLE_LENGTH,
    RequestDraft,
    digest_of_effect,
    kind_of_ask,
    next_reminder,
    oldest_answer_in_force,
    unbound_words,
)
from approvals.services.facts import publish_answer
from core.errors import BadArguments
from core.ids import correlation, story_of
from core.registry import Json, check_arguments, find_action
from core.services import audit, business_now, number_setting, publish

_WORDS = {"type": "string", "pattern": r"\S"}
_CARD = {
    "type": "object",
    "properties": {
        "title": {**_WORDS, "maxLength": TITLE_LENGTH},
        **dict.fromkeys(("reason", "on_yes", "on_no", "asked_by", "key"), _WORDS),
        "undo": {"type": "string", "maxLength": 120},
        "evidence": {
            "items": {
                "type": "object",
                "properties": {
                    "name": _WORDS,
                    "passed": {"type": ["boolean", "null"]},
                    "words": {"type": "string"},
                },
                "required": ["name", "passed", "words"],
            }
        },
        "alternatives": {
            "items": {
                "type": "object",
                "properties": {"name": _WORDS, "words": _WORDS},
                "required": ["name", "words"],
            }
        },
        "worst_case_parts": {
            "items": {
                "type": "object",
                "properties": {"words": _WORDS, "microusd": {"type": "integer"}},
                "required": ["words", "microusd"],
            }
        },
    },
}


@transaction.atomic
def ask_owner(draft: RequestDraft) -> Request:
    """Put one question before the owner; under the same key it is asked once. Source: R-12.5, R-12.6.

    A question after a wanted change follows the one it came of and counts as its next round.

    Raises:
        NotRegistered: no app offers the action.
        BadArguments: the arguments do not fit it, or something on the card is missing, too long or does not add up.
        Misleading: title or reason name an amount, a payee or a host that the answer is not bound to.
        KeyReused: the key belongs to another effect.
    """
    check_arguments(find_action(draft.action).schema, draft.arguments)
    card = _card_of(draft)
    _check_card({**card, "key": draft.key})
    _free_key(draft.key)
    card |= _next_round(draft.action, asked_by=draft.asked_by)
    request, is_new = Request.objects.get_or_create(key=draft.key, defaults=card)
    if request.digest != card["digest"]:
        raise KeyReused(key=draft.key)
    if is_new:
        publish("approvals.request_asked", request_id=str(request.pk), action=draft.action)
    return request


def _card_of(draft: RequestDraft) -> dict[str, Any]:
    """Return the columns of a fresh request."""
    said = {field.name: getattr(draft, field.name) for field in fields(draft)}
    del said["key"], said["deadline_s"]
    listed = {name: list(said[name]) for name in ("evidence", "alternatives", "worst_case_parts")}
    bound, now = dict(draft.binds), business_now()
    deadline = now + (_usual_time() if draft.deadline_s is None else timedelta(seconds=draft.deadline_s))
    kind = kind_of_ask(
        draft.action,
        asked_by=draft.asked_by,
        product=draft.product,
        worst_case_microusd=draft.worst_case_microusd,
        binds=bound,
    )
    return {
        **said, **listed, "binds": bound, "alike": kind, "asked_at": now, "deadline": deadline,
        "digest": digest_of_effect(draft.action, draft.arguments, bound), "correlation_id": correlation.get(),
        "remind_at": next_reminder(asked_at=now, deadline=deadline, now=now),
    }  # fmt: skip


def _usual_time() -> timedelta:
    return timedelta(hours=number_setting("approvals.answer_hours"))


def _check_card(card: Json) -> None:
    """Refuse a card that lacks something, does not add up, or says more than it is bound to. Source: R-12.5, R-12.28."""
    check_arguments(_CARD, card)
    parts, total = card["worst_case_parts"], card["worst_case_microusd"]
    if parts and sum(part["microusd"] for part in parts) != total:
        raise BadArguments(at="worst_case_parts", expected="parts that add up to the worst case")
    known = [card["arguments"], card["binds"], card["product"], {"worst_case_microusd": total}, parts]
    for name in ("title", "reason"):
        if strange := unbound_words(card[name], bound=known):
            raise Misleading(at=name, names=", ".join(strange))


def _free_key(key: str) -> None:
    """A yes that was not used in time is void and gives its key back, so that the same may be asked anew."""
    void = Request.objects.filter(
        key=key,
        state=Request.State.APPROVED,
        decision__business_at__lte=oldest_answer_in_force(business_now()),
    )
    for request in void:
        unused = Request.objects.filter(pk=request.pk, state=Request.State.APPROVED)
        if unused.update(state=Request.State.EXPIRED, key=f"{key[:120]}#{request.pk.hex}"):
            audit(
                actor="system",
                verb="approvals.void_decision",
                subject=request.title,
                request_id=str(request.pk),
            )


def _next_round(action: str, *, asked_by: str) -> Json:
    """Return which wanted change of the same story this question answers, if there is one."""
    story = correlation.get()
    if story is None:
        return {}
    changed = Request.objects.filter(
        correlation_id=story, action=action, asked_by=asked_by, state=Request.State.CHANGED, followers=None
    )
    before = changed.order_by("-pk").first()
    return {"follows": before, "round": before.round + 1} if before else {}


@transaction.atomic
def withdraw_request(request_id: UUID, *, by: str, reason: str) -> bool:
    """Take an unanswered question back; say whether it was still open. Agents may withdraw, never answer."""
    pending = Request.objects.filter(pk=request_id, state=Request.State.PENDING)
    if not pending.update(state=Request.State.WITHDRAWN, withdrawn_why=reason[:300]):
        return False
    request = Request.objects.get(pk=request_id)
    with story_of(request.correlation_id):
        audit(actor=by, verb="approvals.withdraw_request", subject=request.title, reason=reason)
        publish_answer(request, answer="withdrawn")
    return True
