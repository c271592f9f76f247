"""What a provider says it billed, held against what we booked. Source: R-02.32."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

from django.db import transaction

from agents.gateway.errors import UsageUnreadable
from agents.gateway.models import Call, Provider
from core.money import to_microusd
from core.services import audit, publish

MOST_SHARE = 0.05
"""A greater distance is told."""
COLUMNS = ("day", "provider", "cost_usd")


@dataclass(frozen=True)
class Compared:
    """One provider's day, a UTC day of machine time: its bill and ours."""

    day: date
    provider: str
    billed_microusd: int
    booked_microusd: int

    @property
    def share(self) -> float:
        """How far apart they are, as a share of the greater one."""
        most = max(self.billed_microusd, self.booked_microusd)
        return abs(self.billed_microusd - self.booked_microusd) / most if most else 0.0

    @property
    def is_far(self) -> bool:
        """Whether somebody should look."""
        return self.share > MOST_SHARE


def read_usage(path: Path) -> dict[tuple[date, str], int]:
    """Return micro-dollars by day and provider from a file of comma-separated lines: day, provider, cost_usd; lines add up.

    Raises:
        UsageUnreadable: it is no such file; the words say where.
    """
    sums: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                key, cost = _read_line(row, number)
                sums[key] += cost
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise UsageUnreadable(file=path.name, problem=type(problem).__name__) from problem
    return {key: to_microusd(cost) for key, cost in sums.items()}


def _read_line(row: Mapping[str, str | None], number: int) -> tuple[tuple[date, str], Decimal]:
    try:
        day, cost = date.fromisoformat(row["day"] or ""), Decimal(row["cost_usd"] or "")
        provider = row["provider"] or ""
    except (KeyError, ValueError, InvalidOperation) as problem:
        raise UsageUnreadable(line=number, needs=", ".join(COLUMNS)) from problem
    if not provider or not cost.is_finite() or cost < 0:
        raise UsageUnreadable(line=number, needs=", ".join(COLUMNS))
    return (day, provider), cost


@transaction.atomic
def compare_usage(billed: Mapping[tuple[date, str], int], *, by: str) -> list[Compared]:
    """Return each provider's day beside what we booked for it; whoever is more than 5 % off is told of. Safe to run twice.

    Raises:
        UsageUnreadable: a provider is not one of ours.
    """
    known = set(Provider.objects.values_list("name", flat=True))
    if strange := {provider for _, provider in billed} - known:
        raise UsageUnreadable(unknown=", ".join(sorted(strange)))
    found = [
        Compared(day, provider, cost, _booked(day, provider))
        for (day, provider), cost in sorted(billed.items())
    ]
    _tell(found, by=by)
    return found


def _booked(day: date, provider: str) -> int:
    begins = datetime.combine(day, time(), tzinfo=UTC)
    calls = Call.objects.filter(
        model__provider=provider, started_at__gte=begins, started_at__lt=begins + timedelta(days=1)
    )
    return calls.total_microusd()


def _tell(found: Sequence[Compared], *, by: str) -> None:
    for one in found:
        if one.is_far:
            publish(
                "gateway.usage_differs",
                provider=one.provider,
                day=one.day.isoformat(),
                billed_microusd=one.billed_microusd,
                booked_microusd=one.booked_microusd,
            )
    audit(
        actor=by,
        verb="gateway.compare_usage",
        subject="providers",
        days=len(found),
        far=sum(one.is_far for one in found),
    )
