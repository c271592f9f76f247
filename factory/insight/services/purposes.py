"""What model calls went for: first tries, retries, judges; thinking, and what caches saved. Source: R-08.8."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Case, Count, Sum, When
from django.db.models.functions import TruncDate

from agents.gateway.models import Call, ModelEntry, Price
from core.clock import start_of_day
from factory.work.models import Attempt
from portfolio.models import Product

MTOK: Final = 1_000_000
JUDGES: Final = frozenset({"review", "test"})
"""Types of tasks that judge what others made."""
MOST_DAYS: Final = 90
"""So long single calls are kept."""


@dataclass(frozen=True)
class Purpose:
    """What the calls of one task, agent, product, model or day went for; first tries, retries and judges add up to the cost.

    Attributes:
        retry_microusd: later attempts of a task, and other models asked after one had failed.
        recalled_tokens: what was recalled from memory into prompts; None: nobody counts it yet.
        saved_microusd: what cached tokens would have cost more at the full price of their day.
    """

    key: str
    label: str
    calls: int = 0
    first_microusd: int = 0
    retry_microusd: int = 0
    judge_microusd: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    recalled_tokens: int | None = None
    saved_microusd: int = 0

    @property
    def cost_microusd(self) -> int:
        """What all of it cost."""
        return self.first_microusd + self.retry_microusd + self.judge_microusd


@dataclass(frozen=True)
class _Group:
    """Calls of one attempt to one model on one day, all first choices or all second ones."""

    day: date
    agent: str
    model_id: int
    assignment: UUID
    story: UUID | None
    is_second: bool
    calls: int
    cost: int
    prompt: int
    completion: int
    reasoning: int
    cached: int


@dataclass(frozen=True)
class _Work:
    """The task behind an attempt."""

    task: UUID
    title: str
    kind: str
    n: int


def purposes_by(what: str, *, days: int, now: datetime) -> tuple[Purpose, ...]:
    """Return what calls went for in the last `days` UTC days of machine time, the dearest first.

    Args:
        what: `task`, `agent`, `product`, `model` or `day`.
        days: today included, at most 90.
        now: machine time.
    """
    since = start_of_day(now) - timedelta(days=min(days, MOST_DAYS) - 1)
    works = _works(since)
    name_of = _NAMES[what](works)
    prices, found = _prices(), dict[str, Purpose]()
    for group in _groups(since):
        key, label = name_of(group)
        old = found.get(key) or Purpose(key, label)
        found[key] = _add(old, group, work=works.get(group.assignment), saved=_saved(group, prices))
    return tuple(sorted(found.values(), key=lambda one: (-one.cost_microusd, one.label)))


def _groups(since: datetime) -> list[_Group]:
    calls = Call.objects.since(since).exclude(status=Call.Status.OPEN).order_by()
    marked = calls.annotate(
        day=TruncDate("started_at", tzinfo=UTC),
        is_second=Case(When(fallback_from=None, then=False), default=True),
    )
    rows: Any = marked.values_list(
        "day", "agent", "model_id", "assignment_id", "correlation_id", "is_second"
    ).annotate(
        Count("pk"), Sum("cost_microusd"), Sum("prompt_tokens"), Sum("completion_tokens"), Sum("reasoning_tokens"),
        Sum("cached_tokens"),
    )  # fmt: skip
    return [_Group(*row[:6], *(number or 0 for number in row[6:])) for row in rows]


def _works(since: datetime) -> dict[UUID, _Work]:
    rows = Attempt.objects.filter(claimed_at__gte=since - timedelta(days=1)).order_by()
    columns = ("pk", "task_id", "task__title", "task__type", "n")
    return {pk: _Work(*row) for pk, *row in rows.values_list(*columns)}


def _add(one: Purpose, group: _Group, *, work: _Work | None, saved: int) -> Purpose:
    is_judge = work is not None and work.kind in JUDGES
    is_again = group.is_second or (work is not None and work.n > 1)
    return replace(
        one,
        calls=one.calls + group.calls,
        judge_microusd=one.judge_microusd + group.cost * is_judge,
        retry_microusd=one.retry_microusd + group.cost * (is_again and not is_judge),
        first_microusd=one.first_microusd + group.cost * (not is_again and not is_judge),
        prompt_tokens=one.prompt_tokens + group.prompt,
        completion_tokens=one.completion_tokens + group.completion,
        reasoning_tokens=one.reasoning_tokens + group.reasoning,
        cached_tokens=one.cached_tokens + group.cached,
        saved_microusd=one.saved_microusd + saved,
    )


def _prices() -> dict[int, list[tuple[date, int]]]:
    """Return for each model what a million cached tokens save, by the day from which on, first what counts."""
    found: dict[int, list[tuple[date, int]]] = {}
    rows = Price.objects.in_force()
    for model, since, full, cached in rows.values_list(
        "model_id", "valid_from", "input_microusd", "cached_microusd"
    ):
        found.setdefault(model, []).append((since, full - cached))
    return found


def _saved(group: _Group, prices: Mapping[int, list[tuple[date, int]]]) -> int:
    saves = next((saves for since, saves in prices.get(group.model_id, []) if since <= group.day), 0)
    return group.cached * saves // MTOK


_Name = Callable[[_Group], tuple[str, str]]


def _by_task(works: Mapping[UUID, _Work]) -> _Name:
    def name(group: _Group) -> tuple[str, str]:
        work = works.get(group.assignment)
        return (str(work.task), work.title) if work else ("", "no task")

    return name


def _by_product(_: Mapping[UUID, _Work]) -> _Name:
    names = {
        story: (slug, name)
        for story, slug, name in Product.objects.values_list("correlation_id", "slug", "name")
    }
    return lambda group: names.get(group.story, ("", "no product")) if group.story else ("", "no product")


def _by_model(_: Mapping[UUID, _Work]) -> _Name:
    names = dict(ModelEntry.objects.values_list("pk", "name"))
    return lambda group: (names[group.model_id],) * 2


_NAMES: Final[Mapping[str, Callable[[Mapping[UUID, Any]], _Name]]] = {
    "task": _by_task,
    "agent": lambda _: lambda group: (group.agent, group.agent),
    "product": _by_product,
    "model": _by_model,
    "day": lambda _: lambda group: (str(group.day),) * 2,
}
PURPOSES_BY: Final = tuple(_NAMES)
