"""What the owner should know without asking: harm first, then what needs him."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import F

from billing.models import Period, Scope, Window
from factory.delivery.models import Release
from factory.work.models import DeadLetter

HARM_LASTS: Final = timedelta(hours=24)
NEAR_SHARE: Final = 0.8
AT_MOST: Final = 20


@dataclass(frozen=True)
class Alert:
    """One thing to know.

    Attributes:
        kind: `rolled_back`, `gave_up`, `near_limit` or `at_limit`.
        at: business time, or machine time of what has no other; None: it holds now, since when is not kept.
        name: product, task or limit that it is about.
        slug: of the product; empty: it is about none.
        amounts: used and allowed micro-dollars, where it is about money.
    """

    kind: str
    at: datetime | None
    name: str
    words: str = ""
    slug: str = ""
    version: int | None = None
    amounts: tuple[int, int] | None = None

    @property
    def is_harm(self) -> bool:
        """Whether customers or money were harmed; the others only need a look."""
        return self.kind == "rolled_back"


def alerts_now(now: datetime) -> tuple[Alert, ...]:
    """Return what is to be known at business time `now`, the most serious first."""
    return (*_rolled_back(now), *_limits(now), *_gave_up())


def _rolled_back(now: datetime) -> list[Alert]:
    taken_back = Release.objects.filter(state=Release.State.ROLLED_BACK, ended_at__gt=now - HARM_LASTS)
    return [
        Alert("rolled_back", one.ended_at, one.product.name, one.why, one.product.slug, one.version)
        for one in taken_back.select_related("product").order_by("-ended_at")[:AT_MOST]
    ]


def _limits(now: datetime) -> list[Alert]:
    """Limits of the whole factory and of ventures; a step that used up its own is shown with the step."""
    used = F("spent_microusd") + F("held_microusd")
    scopes = list(
        Scope.objects.filter(kind__in=[Scope.Kind.FACTORY, Scope.Kind.PRODUCT]).values_list("pk", flat=True)
    )
    near = Window.objects.at(now).filter(
        scope__in=scopes, cap_microusd__gt=0, cap_microusd__lte=used / NEAR_SHARE
    )
    return [
        _limit(window)
        for window in near.select_related("scope__product").order_by("-starts_at", "pk")[:AT_MOST]
    ]


def _limit(window: Window) -> Alert:
    product = getattr(window.scope, "product", None)
    taken = window.spent_microusd + window.held_microusd
    return Alert(
        kind="at_limit" if taken >= window.cap_microusd else "near_limit",
        at=None,
        name=product.name if product else "The factory",
        words={Period.DAY: "today", Period.MONTH: "this month"}.get(Period(window.period), "in all"),
        slug=product.slug if product else "",
        amounts=(taken, window.cap_microusd),
    )


def _gave_up() -> list[Alert]:
    letters = DeadLetter.objects.filter(resolution="").only(
        "created_at", "error", "task__title", "task__dag__product__slug"
    )
    letters = letters.select_related("task__dag__product")
    return [
        Alert(
            "gave_up",
            one.created_at,
            one.task.title,
            one.error,
            one.task.dag.product.slug if one.task.dag.product else "",
        )
        for one in letters.order_by("-created_at")[:AT_MOST]
    ]
