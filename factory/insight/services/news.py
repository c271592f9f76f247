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


_RELEASES: Final = Release.objects.order_by("-live_at").values_list(
    "state", "ended_at", "live_at", "version", "product__name", "product__slug"
)
_STAGES: Final = (
    StageChange.objects.filter(new__in=Product.Stage.values)
    .order_by("-at")
    .values_list("at", "product__name", "new", "product__slug")
)
_QUESTIONS: Final = Request.objects.order_by("-asked_at").values_list(
    "state", "asked_at", "deadline", "title", "product", "pk"
)
_LETTERS: Final = (
    DeadLetter.objects.filter(resolution="")
    .order_by("-created_at")
    .values_list("created_at", "task__title", "task_id")
)
_DONE: Final = (
    Dag.objects.filter(state=Dag.State.COMPLETED)
    .order_by("-closed_at")
    .values_list("closed_at", "title", "product__name", "pk")
)
_SCANS: Final = Scan.objects.order_by("-at").values_list("at", "file_name", "signals_new")


def _releases(since: datetime) -> Iterator[News]:
    moved = Q(live_at__gt=since) | Q(state=Release.State.ROLLED_BACK, ended_at__gt=since)
    for state, ended_at, live_at, version, name, slug in _RELEASES.filter(moved)[:_PER_KIND]:
        if state == Release.State.ROLLED_BACK and ended_at:
            yield News("rolled_back", ended_at, name, str(version), slug)
        elif live_at:
            yield News("live", live_at, name, str(version), slug)


def _stages(since: datetime) -> Iterator[News]:
    for row in _STAGES.filter(at__gt=since)[:_PER_KIND]:
        yield News("stage", *row)


def _questions(since: datetime) -> Iterator[News]:
    asked = Q(state=Request.State.PENDING, asked_at__gt=since)
    over = Q(state=Request.State.EXPIRED, deadline__gt=since)
    for state, asked_at, deadline, title, product, pk in _QUESTIONS.filter(asked | over)[:_PER_KIND]:
        is_over = state == Request.State.EXPIRED
        at = deadline if is_over else asked_at
        yield News("silence" if is_over else "asked", at, title, product, str(pk))


def _work(moment: datetime, *, ahead: timedelta) -> Iterator[News]:
    for created_at, title, task_id in _LETTERS.filter(created_at__gt=moment)[:_PER_KIND]:
        yield News("gave_up", created_at + ahead, title, "", str(task_id))
    for closed_at, title, product, pk in _DONE.filter(closed_at__gt=moment)[:_PER_KIND]:
        if closed_at:
            yield News("done", closed_at + ahead, title, product or "", str(pk))


def _scans(since: datetime) -> Iterator[News]:
    for at, name, new in _SCANS.filter(at__gt=since)[:_PER_KIND]:
        yield News("scanned", at, name, str(new))


def _money(since: datetime) -> Iterator[News]:
    for one in MoneyAlert.objects.since(since)[:_PER_KIND]:
        amounts = one.amount_microusd, one.limit_microusd
        yield News("money", one.at, one.scope.label, one.rule, amounts=amounts, line=one.line)
