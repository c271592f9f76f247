"""What harms customers now: a live product that does not answer, and has no older version to go back to."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Q, Sum

from billing.models import RevenueEvent
from core.models import Event
from core.services import business_now
from factory.delivery.models import Release

AT_MOST: Final = 5
MONTH: Final = timedelta(days=30)


@dataclass(frozen=True)
class Incident:
    """One product that is down now.

    Attributes:
        since: machine time; None: not kept any more.
        failed: checks in a row.
        payments, revenue_microusd: of the last 30 days, what is at risk.
    """

    name: str
    slug: str
    version: int
    why: str
    since: datetime | None
    failed: int
    payments: int
    revenue_microusd: int


def incidents_now() -> tuple[Incident, ...]:
    """Return what is down, the longest first; one question when all is well."""
    down = Release.objects.down().select_related("product").order_by("-red_probes")
    releases = list(down[:AT_MOST])
    if not releases:
        return ()
    turned = _turned_red(releases)
    money = _money_of(releases)
    return tuple(_incident(one, turned=turned, money=money) for one in releases)


def _incident(
    release: Release, *, turned: dict[str, Event], money: dict[object, tuple[int, int]]
) -> Incident:
    event = turned.get(str(release.pk))
    payments, revenue = money.get(release.product.scope_id, (0, 0))
    return Incident(
        name=release.product.name,
        slug=release.product.slug,
        version=release.version,
        why=event.facts.get("why", "") if event else "",
        since=event.created_at if event else None,
        failed=release.red_probes,
        payments=payments,
        revenue_microusd=revenue,
    )


def _turned_red(releases: list[Release]) -> dict[str, Event]:
    told = Event.objects.filter(
        kind="delivery.release_turned_red", facts__release_id__in=[str(one.pk) for one in releases]
    )
    return {event.facts["release_id"]: event for event in told.order_by("sequence")}


def _money_of(releases: list[Release]) -> dict[object, tuple[int, int]]:
    now = business_now()
    rows = RevenueEvent.objects.between(now - MONTH, now).filter(
        scope__in=[one.product.scope_id for one in releases]
    )
    sums = (
        rows.order_by()
        .values_list("scope")
        .annotate(
            payments=Count("pk", filter=Q(kind=RevenueEvent.Kind.PAYMENT)), total=Sum("amount_microusd")
        )
    )
    return {scope: (payments, total or 0) for scope, payments, total in sums}
