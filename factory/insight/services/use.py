"""Use of models over some hours, by agent, model, provider or hour. Source: R-02.24."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Q, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from agents.gateway.models import Call

GROUPS: Final = {
    "agent": F("agent"),
    "model": F("model__name"),
    "provider": F("model__provider"),
    "hour": TruncHour("started_at", tzinfo=UTC),
}
MOST_HOURS: Final = 24 * 31


@dataclass(frozen=True)
class Use:
    """What one group used; `mean_s` None: no call of it has ended."""

    key: str
    calls: int
    failed: int
    lost: int
    fallbacks: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_microusd: int
    mean_s: float | None


def use_of_models(by: str, *, hours: int = 24) -> tuple[Use, ...]:
    """Return the use of the last hours of machine time by one of `GROUPS`, the dearest first; by hour the oldest first."""
    took = ExpressionWrapper(F("ended_at") - F("started_at"), output_field=DurationField())
    rows = (
        Call.objects.since(timezone.now() - timedelta(hours=hours))
        .order_by()
        .annotate(key=GROUPS[by], took=took)
        .values("key")
        .annotate(
            calls=Count("pk"),
            failed=Count("pk", filter=Q(status=Call.Status.FAILED)),
            lost=Count("pk", filter=Q(status=Call.Status.LOST)),
            again=Count("pk", filter=Q(fallback_from__isnull=False)),
            prompt=Sum("prompt_tokens"),
            completion=Sum("completion_tokens"),
            cached=Sum("cached_tokens"),
            reasoning=Sum("reasoning_tokens"),
            cost=Sum("cost_microusd"),
            mean=Avg("took"),
        )
    )
    found = [
        Use(
            key=row["key"].isoformat() if isinstance(row["key"], datetime) else row["key"],
            calls=row["calls"],
            failed=row["failed"],
            lost=row["lost"],
            fallbacks=row["again"],
            prompt_tokens=row["prompt"] or 0,
            completion_tokens=row["completion"] or 0,
            cached_tokens=row["cached"] or 0,
            reasoning_tokens=row["reasoning"] or 0,
            cost_microusd=row["cost"] or 0,
            mean_s=row["mean"].total_seconds() if row["mean"] is not None else None,
        )
        for row in rows
    ]
    in_order = (lambda one: (0, one.key)) if by == "hour" else (lambda one: (-one.cost_microusd, one.key))
    return tuple(sorted(found, key=in_order))
