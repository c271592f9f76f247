"""Asking the owner, and taking a question back."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.errors import KeyReused, Misleading
from approvals.models import Request
from approvals.rules import (
    TITLE_LENGTH,
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
    deadline_s: float | None = None,
    is_reversible: bool | None = None,
    undo: str = "",
    alternatives: Sequence[Json] = (),
    worst_case_parts: Sequence[Json] = (),
) -> Request:
    """Put one question before the owner; under the same `key` it is asked once. Source: R-12.5, R-12.6.

    A question after a wanted change follows the one it came of and counts as its next round.

    Args:
        action: name of the registered action that a yes carries out.
        arguments: the action's arguments, checked against its schema now.
        title: the question, at most 60 characters.
        reason: why it is asked.
        asked_by: `agent:Kev`.
        on_yes: what a yes does, in words.
        on_no: what a no, a change or silence does, in words.
        worst_case_microusd: most that a yes can cost, in millionths of a US dollar; None: unknown.
        key: idempotency key of the intent; a repeat returns the first request, unless its yes became void unused.
        binds: artifact digest, amount, payee: what must not change until the effect.
        evidence: `{name, passed, words}` for each thing that was checked.
        diff: what a yes changes, as text.
        product: the product's label.
        deadline_s: business time for an answer; None: what the settings say.
        is_reversible: whether a yes can be undone; None: unknown.
        undo: how, and how soon, in words.
        alternatives: `{name, words}` for each other way.
        worst_case_parts: `{words, microusd}` that add up to the worst case.

    Raises:
        NotRegistered: no app offers the action.
        BadArguments: the arguments do not fit it, or something on the card is missing, too long or does not add up.
        Misleading: title or reason name an amount, a payee or a host that the answer is not bound to.
        KeyReused: the key belongs to another effect.
    """
    check_arguments(find_action(action).schema, arguments)
    shown = {
        "title": title, "reason": reason, "asked_by": asked_by, "on_yes": on_yes, "on_no": on_no, "evidence": list(evidence),
        "undo": undo, "alternatives": list(alternatives), "worst_case_parts": list(worst_case_parts),
        "worst_case_microusd": worst_case_microusd, "product": product,
    }  # fmt: skip
    bound, now = dict(binds or {}), business_now()
    _check_card({**shown, "key": key}, bound=[arguments, bound])
    digest = digest_of_effect(action, arguments, bound)
    deadline = now + (_usual_time() if deadline_s is None else timedelta(seconds=deadline_s))
    kind = kind_of_ask(
        action, asked_by=asked_by, product=product, worst_case_microusd=worst_case_microusd, binds=bound
    )
    card = {
        **shown, "action": action, "arguments": arguments, "binds": bound, "digest": digest, "diff": diff, "alike": kind,
        "is_reversible": is_reversible, "asked_at": now, "deadline": deadline, "correlation_id": correlation.get(),
        "remind_at": next_reminder(asked_at=now, deadline=deadline, now=now),
    }  # fmt: skip
    _free_key(key)
    request, is_new = Request.objects.get_or_create(
        key=key, defaults={**card, **_next_round(action, asked_by=asked_by)}
    )
    if request.digest != digest:
        raise KeyReused(key=key)
    if is_new:
        publish("approvals.request_asked", request_id=str(request.pk), action=action)
    return request


def _usual_time() -> timedelta:
    return timedelta(hours=number_setting("approvals.answer_hours"))


def _check_card(card: Json, *, bound: list[Json]) -> None:
    """Refuse a card that lacks something, does not add up, or says more than it is bound to. Source: R-12.5, R-12.28."""
    check_arguments(_CARD, card)
    parts, total = card["worst_case_parts"], card["worst_case_microusd"]
    if parts and sum(part["microusd"] for part in parts) != total:
        raise BadArguments(at="worst_case_parts", expected="parts that add up to the worst case")
    known = [*bound, card["product"], {"worst_case_microusd": total}, parts]
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
