"""Calls of models: one row per try, and the story of one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Avg, Count, Q, QuerySet, Sum

from agents.gateway.models import Call, Price
from billing.models import Entry, Hold, Overage, Window
from factory.insight.rules.cursors import cursor_of, place_of
from factory.work.models import Attempt

PER_PAGE: Final = 50
USUAL: Final = timedelta(days=7)
MOST_TRIES: Final = 10
MTOK: Final = 1_000_000


@dataclass(frozen=True)
class CallPage:
    """One page of calls, and where the one behind it begins; empty: there is none."""

    calls: tuple[Call, ...]
    older: str


@dataclass(frozen=True)
class PricePart:
    """One part of what a call costs: tokens at a price of a million, None where the provider did not say."""

    name: str
    tokens: int
    price_microusd: int

    @property
    def cost_microusd(self) -> int:
        """What this part costs, rounded to the nearest millionth."""
        return round(self.tokens * self.price_microusd / MTOK)


@dataclass(frozen=True)
class CallStory:
    """One call with everything that belongs to it.

    Attributes:
        tries: the calls that were made for the same answer, the first one first.
        hold: None when it is no longer kept.
        parts: what its price is made of; empty when tokens or price are not known.
        windows: the limits its hold stood in, as they are now.
        calls, cost_microusd: of the whole attempt.
        usual_microusd: mean of the agent's calls of a week; None: there were none.
    """

    call: Call
    tries: tuple[Call, ...]
    attempt: Attempt | None
    hold: Hold | None
    entry: Entry | None
    overage: Overage | None
    parts: tuple[PricePart, ...]
    windows: tuple[Window, ...]
    calls: int
    cost_microusd: int
    usual_microusd: int | None

    @property
    def given_back_microusd(self) -> int | None:
        """What was held and not used."""
        if self.call.cost_microusd is None:
            return None
        return max(0, self.call.bound_microusd - self.call.cost_microusd)


def call_page(*, agent: str = "", status: str = "", story: UUID | None = None, before: str = "") -> CallPage:
    """Return one page of calls, the newest first; a cursor that cannot be read is the first page."""
    calls: QuerySet[Call] = Call.objects.select_related("model").order_by("-started_at", "-id")
    wanted = {"agent": agent, "status": status, "correlation_id": story}
    calls = _before(calls.filter(**{name: value for name, value in wanted.items() if value}), before)
    found = list(calls[: PER_PAGE + 1])
    page = found[:PER_PAGE]
    more = cursor_of(page[-1].started_at, page[-1].pk) if len(found) > PER_PAGE else ""
    return CallPage(tuple(page), more)


def _before(calls: QuerySet[Call], cursor: str) -> QuerySet[Call]:
    place = place_of(cursor)
    if place is None:
        return calls
    at, last = place
    return calls.filter(Q(started_at__lt=at) | Q(started_at=at, id__lt=last), started_at__lte=at)


def call_story(call_id: UUID) -> CallStory | None:
    """Return the story of one call; None: there is no such call."""
    call = Call.objects.select_related("model").filter(pk=call_id).first()
    if call is None:
        return None
    same = Call.objects.of_assignment(call.assignment_id).order_by()
    together = same.aggregate(n=Count("pk"), cost=Sum("cost_microusd"))
    hold = Hold.objects.filter(call_id=call.pk).first()
    return CallStory(
        call=call,
        tries=_tries(call),
        attempt=Attempt.objects.select_related("task__dag__product", "agent")
        .filter(pk=call.assignment_id)
        .first(),
        hold=hold,
        entry=Entry.objects.filter(call_id=call.pk).order_by("-at").first(),
        overage=Overage.objects.filter(call_id=call.pk).first(),
        parts=_parts(call),
        windows=_windows(hold),
        calls=together["n"],
        cost_microusd=together["cost"] or 0,
        usual_microusd=_usual(call.agent, since=call.started_at - USUAL),
    )


def _tries(call: Call) -> tuple[Call, ...]:
    """Return the chain of tries this call belongs to; one that fell back was never begun again."""
    near = Call.objects.filter(assignment_id=call.assignment_id, step_key=call.step_key)
    by_id = {one.pk: one for one in near.select_related("model").order_by("started_at", "id")[:200]}
    by_id[call.pk] = call
    after = {one.fallback_from_id: one for one in by_id.values() if one.fallback_from_id}
    first = call
    while first.fallback_from_id in by_id and first.fallback_from_id:
        first = by_id[first.fallback_from_id]
    chain = [first]
    while chain[-1].pk in after and len(chain) < MOST_TRIES:
        chain.append(after[chain[-1].pk])
    return tuple(chain)


def _parts(call: Call) -> tuple[PricePart, ...]:
    usage = call.usage
    known = Price.objects.on(call.started_at.date()).known_at(call.started_at)
    price = known.filter(model=call.model_id).first()
    if usage is None or price is None:
        return ()
    fresh = usage.prompt - usage.cached - usage.cache_write
    parts = (
        PricePart("Read, new", fresh, price.input_microusd),
        PricePart("Read, kept for the next call", usage.cache_write, price.cache_write_microusd),
        PricePart("Read, from cache", usage.cached, price.cached_microusd),
        PricePart("Written", usage.completion, price.output_microusd),
    )
    return tuple(part for part in parts if part.tokens)


def _windows(hold: Hold | None) -> tuple[Window, ...]:
    if hold is None:
        return ()
    standing = Window.objects.filter(pk__in=hold.windows)
    return tuple(standing.select_related("scope").order_by("scope__kind", "period"))


def _usual(agent: str, *, since: datetime) -> int | None:
    calls = Call.objects.filter(agent=agent, started_at__gte=since, cost_microusd__gt=0)
    mean = calls.aggregate(mean=Avg("cost_microusd"))["mean"]
    return None if mean is None else round(mean)
