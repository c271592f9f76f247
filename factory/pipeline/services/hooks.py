"""Webhooks: a signed message from outside becomes a wish; what comes within a sender's pause becomes one."""

import secrets
import time
from datetime import timedelta
from hashlib import sha256
from typing import Final

from django.db import transaction
from django.utils import timezone

from billing.rules import check_signature
from core.adapters.secret_box import seal, unseal
from core.errors import NotFound
from core.services import audit
from factory.pipeline.errors import HookFull, HookTaken, HookUnknown, IdeaTooLong, IdeaUnclear
from factory.pipeline.models import Hook, HookCall, Objective
from factory.pipeline.rules.objectives import MOST_BYTES
from factory.pipeline.services.objectives import Wish, receive_objective

MOST_WAITING: Final = 1_000
"""Messages of one sender that may wait. Source: R-04.28."""


@transaction.atomic
def open_hook(name: str, *, pause_s: int, by: str) -> tuple[Hook, str]:
    """Let a sender of this name speak; return its row and its secret, which is told this once.

    Raises:
        HookTaken: there is one of this name, or there was.
    """
    secret = secrets.token_urlsafe(32)
    card = {"secret": seal(secret, label=_label(name)), "pause_s": pause_s, "created_by": by[:80]}
    hook, is_new = Hook.objects.get_or_create(name=name, defaults=card)
    if not is_new:
        raise HookTaken(name=name)
    audit(actor=by, verb="pipeline.open_hook", subject=f"hook:{name}", pause_s=pause_s)
    return hook, secret


@transaction.atomic
def close_hook(name: str, *, by: str) -> Hook:
    """Hear this sender no more; what it said before stays. Safe to run twice.

    Raises:
        NotFound: there is none of this name.
    """
    if Hook.objects.filter(name=name, closed_at=None).update(closed_at=timezone.now()):
        audit(actor=by, verb="pipeline.close_hook", subject=f"hook:{name}")
    hook = Hook.objects.filter(name=name).first()
    if hook is None:
        raise NotFound(hook=name)
    return hook


def receive_call(name: str, body: bytes, *, signature: str) -> tuple[HookCall, bool]:
    """Keep a signed message, and say whether it is new: a repeat gives the first one.

    Raises:
        HookUnknown: nobody of this name may speak; nothing was written.
        SignatureBad, SignatureOld: not signed by this sender, or not now; nothing was written.
        IdeaTooLong, IdeaUnclear, HookFull: genuine, and not kept.
    """
    hook = Hook.objects.filter(name=name, closed_at=None).first()
    if hook is None:
        raise HookUnknown
    if len(body) > MOST_BYTES:
        raise IdeaTooLong(size_bytes=len(body))
    check_signature(signature, body=body, secret=unseal(hook.secret, label=_label(name)), now=time.time())
    return _keep(hook, text=_read(body), signature_sha256=sha256(signature.encode()).hexdigest())


def _read(body: bytes) -> str:
    try:
        text = body.decode().replace("\0", "").strip()
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise IdeaUnclear
    return text


@transaction.atomic
def _keep(hook: Hook, *, text: str, signature_sha256: str) -> tuple[HookCall, bool]:
    if hook.calls.waiting().count() >= MOST_WAITING:
        raise HookFull(name=hook.name, wait_s=hook.pause_s)
    return HookCall.objects.get_or_create(
        hook=hook, signature_sha256=signature_sha256, defaults={"text": text}
    )


def take_calls() -> int:
    """Make one wish of what each sender said since its pause began, where that is over; return how many.

    Safe to run twice and in two processes at once: the first message of a pause is the wish's key.
    """
    waiting = Hook.objects.filter(calls__objective=None, calls__isnull=False).distinct()
    return sum(_take(hook) for hook in waiting)


@transaction.atomic
def _take(hook: Hook) -> bool:
    Hook.objects.select_for_update().get(pk=hook.pk)
    calls = list(hook.calls.waiting())
    if not calls or calls[0].at + timedelta(seconds=hook.pause_s) > timezone.now():
        return False
    wish = Wish(
        text=calls[-1].text, source=Objective.Source.EVENT, key=f"hook:{hook.name}:{calls[0].pk}", by=f"hook:{hook.name}",
    )  # fmt: skip
    objective, is_new = receive_objective(wish)
    HookCall.objects.filter(pk__in=[call.pk for call in calls]).update(objective=objective)
    return is_new


def _label(name: str) -> str:
    return f"hook:{name}"
