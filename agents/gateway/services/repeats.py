"""Answers that are given again to the very same request, for a day, inside one product. Source: R-02.20."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.gateway.models import Call, KeptAnswer
from billing.models import Scope
from core.ids import digest_of

KEPT: Final = timedelta(hours=24)
MOST_BYTES: Final = 1_000_000
"""A longer answer is not kept."""
_SHARING: Final = (Scope.Kind.PRODUCT, Scope.Kind.DAG, Scope.Kind.TASK, Scope.Kind.SESSION)
"""Who may share answers: the widest of these that pays."""


def recall_answer(request: object, *, scopes: Collection[UUID]) -> tuple[str, KeptAnswer | None]:
    """Return the name under which the answer to `request` is shared among `scopes`, and the answer, where one is kept."""
    key = digest_of([_sharing(scopes), request])
    kept = KeptAnswer.objects.select_related("call").filter(key=key, until__gt=timezone.now())
    return key, kept.first()


def _sharing(scopes: Collection[UUID]) -> str:
    kinds = {kind: pk for pk, kind in Scope.objects.filter(pk__in=scopes).values_list("pk", "kind")}
    return next((f"{kind}:{kinds[kind]}" for kind in _SHARING if kind in kinds), f"alone:{sorted(scopes)}")


@transaction.atomic
def keep_answer(key: str, parts: Sequence[bytes], *, call: Call) -> None:
    """Keep what was told for a day; a newer answer to the same request takes its place. Safe to run twice."""
    body = b"".join(parts)
    if len(body) <= MOST_BYTES:
        told = {"call": call, "body": body, "until": timezone.now() + KEPT}
        KeptAnswer.objects.update_or_create(key=key, defaults=told)


def forget_answers() -> int:
    """Forget answers that are too old to be given again; return how many. Safe to run twice."""
    return KeptAnswer.objects.filter(until__lte=timezone.now()).delete()[0]
