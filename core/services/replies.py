"""What REST callers may rely on: a pace that all web processes count together, and one answer for one key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from core.errors import AlreadyTold, KeyOfAnotherRequest, TooFast
from core.models import CallCount, KeptReply

KEPT_FOR = timedelta(hours=24)


def count_call(caller: str, *, at_most: int) -> None:
    """Count one call in the running minute.

    Raises:
        TooFast: it is one too many; says how long to wait.
    """
    now = timezone.now()
    minute = now.replace(second=0, microsecond=0)
    more = Case(When(minute=minute, then=F("calls") + 1), default=Value(1))
    if not CallCount.objects.filter(pk=caller).update(calls=more, minute=minute):
        CallCount.objects.bulk_create([CallCount(caller=caller, minute=minute)], ignore_conflicts=True)
        CallCount.objects.filter(pk=caller).update(calls=more, minute=minute)
    calls = CallCount.objects.filter(pk=caller, minute=minute).values_list("calls", flat=True).first() or 0
    if calls > at_most:
        raise TooFast(calls_per_minute=at_most, wait_s=60 - now.second)


@dataclass(frozen=True)
class Reply:
    """A status and a body; `is_secret`: the body is told once and not kept."""

    status: int
    body: Any
    is_secret: bool = False


def reply_once(caller: str, *, key: str, digest: str, do: Callable[[], Reply]) -> tuple[Reply, bool]:
    """Do it and keep the reply, in one transaction; under the same key return what was kept. Say whether it was kept.

    A refusal undoes everything and is not kept: the same key may then try again.

    Raises:
        KeyOfAnotherRequest: something else was asked under this key.
        AlreadyTold: the reply held a secret.
    """
    try:
        with transaction.atomic():
            KeptReply.objects.filter(caller=caller, key=key, at__lt=timezone.now() - KEPT_FOR).delete()
            kept = _reserve(caller, key=key, digest=digest)
            reply = do()
            KeptReply.objects.filter(pk=kept.pk).update(
                status=reply.status, body=None if reply.is_secret else reply.body, is_secret=reply.is_secret
            )
            return reply, False
    except _Known:
        known = KeptReply.objects.get(caller=caller, key=key)
    if known.digest != digest:
        raise KeyOfAnotherRequest(key=key)
    if known.is_secret:
        raise AlreadyTold
    return Reply(known.status, known.body), True


def reply_again(caller: str, *, key: str, digest: str, do: Callable[[], Reply]) -> tuple[Reply, bool]:
    """Do it and keep the reply, for a deed that takes long and gives the same when it is done again.

    No transaction is open meanwhile; after a death the same key does it again. Say whether the reply was kept.

    Raises:
        KeyOfAnotherRequest: something else was asked under this key.
    """
    KeptReply.objects.filter(caller=caller, key=key, at__lt=timezone.now() - KEPT_FOR).delete()
    kept, _ = KeptReply.objects.get_or_create(caller=caller, key=key, defaults={"digest": digest})
    if kept.digest != digest:
        raise KeyOfAnotherRequest(key=key)
    if kept.status:
        return Reply(kept.status, kept.body), True
    reply = do()
    KeptReply.objects.filter(pk=kept.pk).update(status=reply.status, body=reply.body)
    return reply, False


class _Known(Exception):
    """Somebody came under this key before."""


def _reserve(caller: str, *, key: str, digest: str) -> KeptReply:
    """Write the row of this key; a second caller waits here for the first to end."""
    try:
        with transaction.atomic():
            return KeptReply.objects.create(caller=caller, key=key, digest=digest)
    except IntegrityError:
        raise _Known from None


def forget_replies() -> int:
    """Forget answers older than a day and callers that did not come for one; return how many. Safe to run twice."""
    old = timezone.now() - KEPT_FOR
    return (
        KeptReply.objects.filter(at__lt=old).delete()[0]
        + CallCount.objects.filter(minute__lt=old).delete()[0]
    )
