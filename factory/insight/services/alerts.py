"""What the owner should know without asking: harm first, then what needs him."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import F, Q

from agents.gateway.services.health import refusing_now
from billing.models import MoneyAlert, Period, Scope, Window
from factory.delivery.models import Release
from factory.delivery.rules import RED_PROBES
from factory.insight.services.incidents import incidents_now
from factory.work.models import DeadLetter, Outage

HARM_LASTS: Final = timedelta(hours=24)
NEAR_SHARE: Final = 0.8
AT_MOST: Final = 20
_OF_LIMITS: Final = (MoneyAlert.Rule.DAY, MoneyAlert.Rule.MONTH, MoneyAlert.Rule.LIFE)


@dataclass(frozen=True)
class Alert:
    """One thing to know.

    Attributes:
        kind: `down`, `rolled_back`, `refused`, `silent`, `gave_up`, `near_limit`, `at_limit` or `money`.
        at: business time, or machine time of what has no other; None: it holds now, since when is not kept.
        name: product, provider, service, task or limit that it is about.
        slug: of the product; empty: it is about none.
        amounts: used and allowed micro-dollars, where it is about money.
        rule: of `money`: what was passed, and at which `line`.
    """

    kind: str
    at: datetime | None
    name: str
    words: str = ""
    slug: str = ""
    version: int | None = None
    amounts: tuple[int, int] | None = None
    rule: str = ""
    line: int = 0

    @property
    def is_harm(self) -> bool:
        """Whether customers or money were harmed; the others only need a look."""
        return self.kind in ("down", "rolled_back")


_LETTERS: Final = (
    DeadLetter.objects.filter(resolution="")
    .order_by("-created_at")
    .values_list("created_at", "task__title", "error", "task__dag__product__slug")
)
_OF_MANY: Final = Scope.objects.filter(kind__in=[Scope.Kind.FACTORY, Scope.Kind.PRODUCT]).values_list(
    "pk", flat=True
)
_USED: Final = F("spent_microusd") + F("held_microusd")
_NEAR: Final = (
    Window.objects.filter(cap_microusd__gt=0, cap_microusd__lte=_USED / NEAR_SHARE)
    .annotate(taken=_USED)
    .order_by("-starts_at", "pk")
)


def alerts_now(now: datetime) -> tuple[Alert, ...]:
    """Return what is to be known at business time `now`, the most serious first."""
    return (*_of_releases(now), *_of_services(), *_limits(now), *_money(now), *_gave_up())


def _of_releases(now: datetime) -> list[Alert]:
    """What is down now, then what was taken back; one question as long as nothing is down."""
    taken_back = Q(state=Release.State.ROLLED_BACK, ended_at__gt=now - HARM_LASTS)
    is_down = Q(state=Release.State.LIVE, red_probes__gte=RED_PROBES)
    columns = ("ended_at", "product__name", "why", "product__slug", "version")
    rows = (
        Release.objects.filter(taken_back | is_down)
        .order_by(F("ended_at").desc(nulls_first=True))
        .values_list("state", *columns)
    )
    found = list(rows[:AT_MOST])
    incidents = incidents_now() if any(row[0] == Release.State.LIVE for row in found) else ()
    down = [Alert("down", one.since, one.name, one.why, one.slug, one.version) for one in incidents]
    return down + [Alert("rolled_back", *row[1:]) for row in found if row[0] != Release.State.LIVE]


def _of_services() -> list[Alert]:
    """Who refuses our key or account, and what does not answer, so that work waits for it."""
    refused = [Alert("refused", at, name, words) for name, (at, words) in sorted(refusing_now().items())]
    rows = Outage.objects.order_by("since").values_list("since", "service", "words")
    return refused + [Alert("silent", *row) for row in rows[:AT_MOST]]


def _limits(now: datetime) -> list[Alert]:
    """Limits of the whole factory and of ventures; a step that used up its own is shown with the step."""
    columns = ("taken", "period", "cap_microusd", "scope__product__name", "scope__product__slug")
    rows = _NEAR.filter(scope__in=list(_OF_MANY.all())).at(now).values_list(*columns)
    return [_limit(*row) for row in rows[:AT_MOST]]


def _money(now: datetime) -> list[Alert]:
    """What was told of money since a day ago; limits that are nearly used up speak for themselves as long as they are."""
    shown = Q(rule__in=_OF_LIMITS, scope__kind__in=[Scope.Kind.FACTORY, Scope.Kind.PRODUCT])
    rows = MoneyAlert.objects.since(now - HARM_LASTS).grave().exclude(shown)
    return [
        Alert(
            "money", one.at, one.scope.label, amounts=(one.amount_microusd, one.limit_microusd), rule=one.rule, line=one.line
        )
        for one in rows[:AT_MOST]
    ]  # fmt: skip


def _limit(taken: int, period: str, cap_microusd: int, name: str | None, slug: str | None) -> Alert:
    return Alert(
        kind="at_limit" if taken >= cap_microusd else "near_limit",
        at=None,
        name=name or "The factory",
        words={Period.DAY: "today", Period.MONTH: "this month"}.get(Period(period), "in all"),
        slug=slug or "",
        amounts=(taken, cap_microusd),
    )


def _gave_up() -> list[Alert]:
    rows = _LETTERS[:AT_MOST]
    return [Alert("gave_up", at, title, error, slug or "") for at, title, error, slug in rows]
