"""Effects outside: the intent is on disk before the call leaves, and what is not known is asked, never repeated blindly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from approvals.models import Request
from core.errors import NotFound
from core.registry import Assignment, Json, Question
from core.services import audit
from factory.work import rules
from factory.work.errors import EffectFailed, EffectUnknown, LeaseLost
from factory.work.models import Effect
from factory.work.services.questions import resume_task
from factory.work.services.tasks import lock_task, tell

REPEAT = "work.repeat_effect"
State = Effect.State


@dataclass(frozen=True)
class Deed:
    """One thing to be done outside.

    Attributes:
        purpose: what sort of thing, e.g. `delivery.open_release`.
        arguments: what exactly; canonical JSON of them is part of the key.
        title: the same in words.
        can_repeat: whoever does it takes the key and does a repeat once.
    """

    purpose: str
    arguments: Mapping[str, Any]
    title: str
    can_repeat: bool = False


@dataclass(frozen=True)
class Done:
    """What came of it; with `why_not` it surely did not happen and will not."""

    external_id: str = ""
    result: Json = field(default_factory=dict)
    why_not: str = ""


@transaction.atomic
def intend(task_id: UUID, deed: Deed, *, request: Request | None = None) -> Effect:
    """Write down what will be done for this task; call it in the transaction that decides so. Safe to run twice."""
    key = rules.effect_key(task_id, purpose=deed.purpose, arguments=deed.arguments)
    card = {
        "task_id": task_id, "request": request, "purpose": deed.purpose, "arguments": dict(deed.arguments),
        "title": deed.title[:200], "can_repeat": deed.can_repeat,
    }  # fmt: skip
    effect, is_new = Effect.objects.get_or_create(key=key, defaults=card)
    if not is_new and request is not None and effect.request_id != request.pk:
        Effect.objects.filter(pk=effect.pk).update(request=request)
    return effect


def carry_out_once(assignment: Assignment, deed: Deed, *, do: Callable[[str], Done]) -> Effect:
    """Do something outside for a running attempt, once for its task, whatever dies meanwhile; return how it is.

    Call it outside of any transaction. `do` is called with the key, at most once here; an exception of it means that
    nobody knows whether it happened.

    Raises:
        LeaseLost: the task is no longer this attempt's; nothing was begun.
        EffectUnknown: it was begun before and may have happened: its `question` goes to the owner.
        EffectFailed: it cannot be done.
    """
    effect = _begin(assignment, deed)
    if effect.state == State.UNKNOWN:
        raise _unknown(effect)
    if effect.state == State.DOING:
        _do(effect, attempt_id=assignment.id, do=do)
        effect.refresh_from_db()
    if effect.state == State.FAILED:
        raise EffectFailed(what=effect.title, why=effect.words)
    return effect


@transaction.atomic(durable=True)
def _begin(assignment: Assignment, deed: Deed) -> Effect:
    """Take the intent under the fence; what another attempt left open is repeated only where that does no harm."""
    if lock_task(lease=assignment.id) is None:
        raise LeaseLost(attempt=assignment.id)
    intended = intend(assignment.reuse_key, deed)
    effect = Effect.objects.select_for_update(of=("self",)).get(pk=intended.pk)
    if effect.state == State.DOING:
        _leave_open(effect, words="it was begun by an attempt that is gone")
    if effect.state == State.INTENT:
        _set(effect, state=State.DOING, attempt_id=assignment.id, tries=effect.tries + 1, words="")
    return effect


def _do(effect: Effect, *, attempt_id: UUID, do: Callable[[str], Done]) -> None:
    try:
        done = do(effect.key)
    except Exception as error:
        _give_up(effect, attempt_id=attempt_id, words=f"{type(error).__name__}: {error}")
        raise
    state = State.FAILED if done.why_not else State.DONE
    _record(
        effect, attempt_id=attempt_id, state=state, external_id=done.external_id[:200], result=done.result,
        words=done.why_not,
    )  # fmt: skip


@transaction.atomic
def _record(effect: Effect, *, attempt_id: UUID, **columns: Any) -> None:
    """What happened is true whoever holds the task by now, unless a later attempt has taken it over."""
    mine = Effect.objects.filter(pk=effect.pk, attempt=attempt_id, state__in=(State.DOING, State.UNKNOWN))
    if mine.update(changed_at=timezone.now(), **columns):
        tell("work.effect_ended", effect.task, effect_id=str(effect.pk), state=columns["state"])


@transaction.atomic
def _give_up(effect: Effect, *, attempt_id: UUID, words: str) -> None:
    mine = Effect.objects.select_for_update(of=("self",)).filter(pk=effect.pk, attempt=attempt_id)
    for here in mine.filter(state=State.DOING).select_related("task__dag"):
        _leave_open(here, words=words)


def _leave_open(effect: Effect, *, words: str) -> None:
    """Let it be done again under its key, or be asked about."""
    state = State.INTENT if effect.can_repeat else State.UNKNOWN
    _set(effect, state=state, words=words[:2_000])
    if state == State.UNKNOWN:
        tell("work.effect_unknown", effect.task, effect_id=str(effect.pk))


def _set(effect: Effect, **columns: Any) -> None:
    fresh = {"changed_at": timezone.now(), **columns}
    Effect.objects.filter(pk=effect.pk).update(**fresh)
    for name, value in fresh.items():
        setattr(effect, name, value)


def settle_effects() -> int:
    """Find what attempts that are over left open; return how many. Safe to run twice."""
    left = Effect.objects.unresolved().values_list("pk", flat=True)
    return sum(_settle(effect_id) for effect_id in left)


@transaction.atomic
def _settle(effect_id: UUID) -> bool:
    task = lock_task(effects=effect_id)
    effect = Effect.objects.unresolved().filter(pk=effect_id).first()
    if task is None or effect is None:
        return False
    effect.task = task
    _leave_open(effect, words="its worker died meanwhile")
    return True


def _unknown(effect: Effect) -> EffectUnknown:
    """Return the refusal, with the question that the owner is asked."""
    question = Question(
        action=REPEAT,
        arguments={"effect_id": str(effect.pk), "task_id": str(effect.task_id)},
        title=f"Once more: {effect.title}?"[:60],
        facts={
            "binds": {
                "effect": effect.key,
                "tries": effect.tries,
                "title": effect.title,
                "words": effect.words,
            },
            "reason": f"It was begun and nobody knows whether it happened ({effect.words}). Please look there first.",
            "on_yes": f"It is done once more: {effect.title}.",
            "on_no": "It counts as done, is not repeated, and the work goes on after it. Without an answer the work ends.",
        },
    )
    return EffectUnknown(question, what=effect.title)


@transaction.atomic
def repeat_effect(effect_id: UUID, *, by: str) -> None:
    """Let an effect of which nobody knows be done once more, unless it is known by now; its task goes on.

    Raises:
        NotFound: there is no such effect.
    """
    _answer(effect_id, state=State.INTENT, by=by, words="")


@transaction.atomic
def take_as_done(effect_id: UUID, *, by: str, words: str = "") -> None:
    """Let an effect of which nobody knows count as done, unless it is known by now; its task goes on after it.

    Raises:
        NotFound: there is no such effect.
    """
    _answer(effect_id, state=State.DONE, by=by, words=words or "the owner says that it happened")


def _answer(effect_id: UUID, *, state: str, by: str, words: str) -> None:
    effect = Effect.objects.filter(pk=effect_id).first()
    if effect is None:
        raise NotFound(effect=effect_id)
    unknown = Effect.objects.filter(pk=effect_id, state=State.UNKNOWN)
    if unknown.update(state=state, words=words, changed_at=timezone.now()):
        audit(actor=by, verb="work.answer_effect", subject=effect.title, state=state, words=words)
    resume_task(effect.task_id, {"answer": state, "effect_id": str(effect_id)}, actor=by)
