"""How models are, for the router, and how busy agents are: from the rows of their last calls, read every two seconds at most."""

import threading
import time
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count
from django.utils import timezone

from agents.gateway.models import Call, ModelEntry
from agents.gateway.rules.health import WINDOW_S, Health, Seen, health_of
from agents.roster.models import Agent

_FRESH_S = 2.0
_REFUSED_US: Final = "refused_us"
MINUTE_S = 60
_ROWS = 500
_lock = threading.Lock()
_last: dict[str, tuple[float, Health]] = {}


def health_now() -> Health:
    """Return how everyone is; at most two seconds old, for it decides the order of choices and never money."""
    with _lock:
        known = _last.get("now")
    if known is not None and time.monotonic() - known[0] < _FRESH_S:
        return known[1]
    found = read_health()
    with _lock:
        _last["now"] = (time.monotonic(), found)
    return found


def read_health() -> Health:
    """Return how everyone is, from the rows as they are."""
    now = timezone.now()
    rows = (
        Call.objects.since(now - timedelta(seconds=WINDOW_S))
        .exclude(ended_at=None)
        .filter(repeats_id=None)
        .order_by("-started_at")
        .values_list(
            "model__provider_id", "model__name", "ended_at", "fault", "first_token_ms", "retry_after_s"
        )[:_ROWS]
    )
    seen = [
        Seen(provider, model, ended_at, fault, first_token_ms, retry_after_s)
        for provider, model, ended_at, fault, first_token_ms, retry_after_s in rows
        if ended_at is not None
    ]
    found = health_of(seen, now=now)
    return Health({**found.down, **_used_up()}, found.first_token_ms, found.parallel, _requests_left(now))


def _requests_left(now: datetime) -> dict[str, int]:
    """Return how many calls each agent that works here may still begin in this minute of machine time. Source: R-02.22."""
    rows = Call.objects.since(now - timedelta(seconds=MINUTE_S)).order_by().values_list("agent")
    begun = dict(rows.annotate(n=Count("pk")))
    agents = Agent.objects.enabled().select_related("version")
    return {one.name: one.definition.limits.requests_per_min - begun.get(one.name, 0) for one in agents}


def _used_up() -> dict[str, str]:
    """Return the models whose requests of the day are used up; the providers' day is a day of UTC."""
    limited = ModelEntry.objects.filter(daily_requests__isnull=False)
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    counts = (
        Call.objects.since(today)
        .filter(model__in=limited, repeats_id=None)
        .values_list("model__provider_id", "model__name", "model__daily_requests")
        .annotate(n=Count("id"))
        .order_by()
    )
    return {f"{provider}/{name}": "its day is used up" for provider, name, most, n in counts if n >= most}


def forget() -> None:
    """Read the rows again at the next question."""
    with _lock:
        _last.clear()


def refusing_now() -> dict[str, tuple[datetime, str]]:
    """Return the providers whose last call within the last hour they refused for our key or account: when, in which words. Source: R-02.10."""
    refused = (
        Call.objects.since(timezone.now() - timedelta(hours=1))
        .filter(status=Call.Status.FAILED, fault=_REFUSED_US)
        .order_by("started_at")
        .values_list("model__provider_id", "ended_at", "words")[:_ROWS]
    )
    last = {provider: (at, words) for provider, at, words in refused if at is not None}
    faults = last_faults() if last else {}
    return {name: said for name, said in last.items() if faults.get(name) == _REFUSED_US}


def last_faults() -> dict[str, str]:
    """Return how the last call of every provider within the last hour of machine time failed; who answered is left out."""
    since = timezone.now() - timedelta(hours=1)
    ended = Call.objects.since(since).exclude(ended_at=None).filter(repeats_id=None)
    newest_first = ended.order_by("-started_at", "-id").values_list("model__provider_id", "fault")[:_ROWS]
    return {provider: fault for provider, fault in dict(reversed(list(newest_first))).items() if fault}
