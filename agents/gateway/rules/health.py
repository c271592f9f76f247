"""Who is well: read from the calls of the last minutes. Source: R-02.11, R-01.17, U-8."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

ERRORS = frozenset({"server", "unreachable", "silent", "cut", "garbled", "refused_us"})
"""Faults that say something about the provider; a request of ours it refuses, or a stop of ours, does not."""
WINDOW_S = 600
_PROVIDER_S, _PROVIDER_CALLS, _PROVIDER_SHARE = 120, 4, 0.5
_MODEL_FAILURES, _PROBE_S = 5, 300
_WAIT_S, _LONGEST_WAIT_S = 2.0, 60.0
_CROWD_S, _CROWD = 60, 8


@dataclass(frozen=True)
class Seen:
    """One call that is over, as far as health goes."""

    provider: str
    model: str
    ended_at: datetime
    fault: str = ""
    first_token_ms: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Health:
    """How models and providers are.

    Attributes:
        down: models (`provider/model`) that are last choice now, with the reason.
        first_token_ms: how fast a model began lately, by its whole name.
        parallel: how many calls at once a provider that asked to wait may get for now.
        requests_left: how many calls an agent may still begin in this minute, by its name; who is missing: any number.
    """

    down: dict[str, str] = field(default_factory=dict)
    first_token_ms: dict[str, int] = field(default_factory=dict)
    parallel: dict[str, int] = field(default_factory=dict)
    requests_left: dict[str, int] = field(default_factory=dict)


def health_of(seen: Iterable[Seen], *, now: datetime) -> Health:
    """Return how everyone is at `now`, from the calls of the last ten minutes in any order."""
    rows = sorted(seen, key=lambda row: row.ended_at)
    models = {(row.provider, row.model) for row in rows}
    down, pace = {}, {}
    for provider, model in sorted(models):
        own = [row for row in rows if (row.provider, row.model) == (provider, model)]
        its = [row for row in rows if row.provider == provider]
        if why := _asked_to_wait(own, now) or _provider_down(its, now) or _model_down(own, now):
            down[f"{provider}/{model}"] = why
        if begun := [row.first_token_ms for row in own if row.first_token_ms is not None]:
            pace[f"{provider}/{model}"] = int(median(begun))
    return Health(down, pace, _crowds(rows, now))


def _asked_to_wait(own: Sequence[Seen], now: datetime) -> str:
    last = own[-1]
    if last.fault != "rate_limited":
        return ""
    wait = min(_LONGEST_WAIT_S, _WAIT_S if last.retry_after_s is None else last.retry_after_s)
    return "asked to wait" if now < last.ended_at + timedelta(seconds=wait) else ""


def _provider_down(its: Sequence[Seen], now: datetime) -> str:
    """More than half of its calls failed within two minutes, and none has answered since the last that failed."""
    lately = [row for row in its if now - row.ended_at <= timedelta(seconds=_PROVIDER_S)]
    errors = [row for row in lately if row.fault in ERRORS]
    if len(lately) < _PROVIDER_CALLS or len(errors) <= _PROVIDER_SHARE * len(lately):
        return ""
    return "its provider fails" if lately[-1].fault in ERRORS else ""


def _model_down(own: Sequence[Seen], now: datetime) -> str:
    """Five failures since it last answered; after five minutes it may be tried again."""
    since = next((n for n, row in enumerate(reversed(own)) if row.fault not in ERRORS), len(own))
    is_waiting = now - own[-1].ended_at < timedelta(seconds=_PROBE_S)
    return "it fails" if since >= _MODEL_FAILURES and is_waiting else ""


def _crowds(rows: Sequence[Seen], now: datetime) -> dict[str, int]:
    """Halve what a provider gets at once for every time it asked to wait within a minute; after that it is free again."""
    asked: dict[str, int] = {}
    for row in rows:
        if row.fault == "rate_limited" and now - row.ended_at <= timedelta(seconds=_CROWD_S):
            asked[row.provider] = asked.get(row.provider, 0) + 1
    return {provider: max(1, _CROWD >> count) for provider, count in asked.items()}
