"""What changed since somebody last looked."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from approvals.models import Request
from billing.models import Entry, MoneyAlert, RevenueEvent
from factory.delivery.models import Release
from factory.work.models import Dag, DeadLetter
from portfolio.models import Product, Scan, StageChange

AT_MOST: Final = 8
_PER_KIND: Final = 20


@dataclass(frozen=True)
class News:
    """One thing that happened.

    Attributes:
        kind: `live`, `rolled_back`, `stage`, `asked`, `silence`, `gave_up`, `done`, `scanned` or `money`.
        at: business time.
        name: product, question, step or graph.
        more: version, stage or numbers, as the kind needs.
        ref: slug or id of what it leads to.
        amounts: of `money`: what it came to and what it was measured by; at which `line`.
    """

    kind: str
    at: datetime
    name: str
    more: str = ""
    ref: str = ""
    amounts: tuple[int, int] | None = None
    line: int = 0


@dataclass(frozen=True)
class Since:
    """What changed from one business time on: the newest first, and the money that moved."""

    at: datetime
    items: tuple[News, ...]
    count: int
    spent_microusd: int
    earned_microusd: int


def news_since(moment: datetime, *, now: datetime) -> Since:
    """Return what happened from machine time `moment` to business time `now`."""
    ahead = now - timezone.now()
    since = moment + ahead
    found = [
        *_releases(since),
        *_stages(since),
        *_questions(since),
        *_work(moment, ahead=ahead),
        *_scans(since),
        *_money(since),
    ]
    found.sort(key=lambda one: one.at, reverse=True)
    return Since(
        at=since,
        items=tuple(found[:AT_MOST]),
        count=len(found),
        spent_microusd=Entry.objects.between(since, now + timedelta(seconds=1)).total_microusd(),
        earned_microusd=RevenueEvent.objects.between(since, now + timedelta(seconds=1)).total_microusd(),
    )


def _releases(since: datetime) -> Iterator[News]:
    moved = Q(live_at__gt=since) | Q(state=Release.State.ROLLED_BACK, ended_at__gt=since)
    for one in Release.objects.filter(moved).select_related("product").order_by("-live_at")[:_PER_KIND]:
        product, version = one.product, str(one.version)
        if one.state == Release.State.ROLLED_BACK and one.ended_at:
            yield News("rolled_back", one.ended_at, product.name, version, product.slug)
        elif one.live_at:
            yield News("live", one.live_at, product.name, version, product.slug)


def _stages(since: datetime) -> Iterator[News]:
    changes = StageChange.objects.filter(at__gt=since, new__in=Product.Stage.values).select_related("product")
    for one in changes.order_by("-at")[:_PER_KIND]:
        yield News("stage", one.at, one.product.name, one.new, one.product.slug)


def _questions(since: datetime) -> Iterator[News]:
    asked = Q(state=Request.State.PENDING, asked_at__gt=since)
    over = Q(state=Request.State.EXPIRED, deadline__gt=since)
    for one in Request.objects.filter(asked | over).order_by("-asked_at")[:_PER_KIND]:
        is_over = one.state == Request.State.EXPIRED
        yield News(
            "silence" if is_over else "asked",
            one.deadline if is_over else one.asked_at,
            one.title,
            one.product,
            str(one.pk),
        )


def _work(moment: datetime, *, ahead: timedelta) -> Iterator[News]:
    letters = DeadLetter.objects.filter(resolution="", created_at__gt=moment).select_related("task")
    for letter in letters.order_by("-created_at")[:_PER_KIND]:
        yield News("gave_up", letter.created_at + ahead, letter.task.title, "", str(letter.task_id))
    done = Dag.objects.filter(closed_at__gt=moment, state=Dag.State.COMPLETED).select_related("product")
    for dag in done.order_by("-closed_at")[:_PER_KIND]:
        if dag.closed_at:
            yield News(
                "done", dag.closed_at + ahead, dag.title, dag.product.name if dag.product else "", str(dag.pk)
            )


def _scans(since: datetime) -> Iterator[News]:
    for one in Scan.objects.filter(at__gt=since).order_by("-at")[:_PER_KIND]:
        yield News("scanned", one.at, one.file_name, str(one.signals_new))


def _money(since: datetime) -> Iterator[News]:
    for one in MoneyAlert.objects.since(since)[:_PER_KIND]:
        amounts = one.amount_microusd, one.limit_microusd
        yield News("money", one.at, one.scope.label, one.rule, amounts=amounts, line=one.line)
