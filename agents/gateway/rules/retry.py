"""After a failed attempt: the same model again, the next one, or none. Source: R-02.10, U-8."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

MAX_ATTEMPTS = 3
BACKOFF_S = 0.5
_ONCE_MORE = frozenset({"server", "unreachable"})
_DEFAULT_WAIT_S, _LONGEST_WAIT_S = 2.0, 30.0
TURNED_AWAY = frozenset({"unreachable", "refused_us", "rate_limited"})
"""Faults that cost nothing and say nothing about what was asked: whoever asked may wait and loses nothing."""


@dataclass(frozen=True)
class Failure:
    """One attempt that failed: which place in the order of routes, how, and how long to wait."""

    place: int
    kind: str
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Step:
    """What to try next, and how long to wait before."""

    place: int
    wait_s: float = 0.0


def next_step(
    failures: Sequence[Failure], *, providers: Sequence[str], gone: Set[int] = frozenset()
) -> Step | None:
    """Return the next attempt over routes at these `providers`, in order, past the places that are `gone`; None: give up.

    429 goes on at once; a broken server gets one more try; everything else goes on, past a provider that refused us
    twice. Where only one provider is left, a second 429, or one at the end of the line, waits as long as it asks; longer than a
    call may take, nobody waits here: whoever asked comes again.
    """
    left = [place for place in range(len(providers)) if place not in gone]
    if not left or len(failures) >= MAX_ATTEMPTS:
        return None
    if not failures:
        return Step(left[0])
    last = failures[-1]
    if last.place in left and _may_try_again(failures):
        return Step(last.place, BACKOFF_S)
    limits = sum(failure.kind == "rate_limited" for failure in failures)
    is_end, is_alone = left[-1] <= last.place, len({providers[place] for place in left}) == 1
    if last.kind == "rate_limited" and is_alone and (is_end or limits > 1):
        wait_s = _DEFAULT_WAIT_S if last.retry_after_s is None else last.retry_after_s
        return Step(left[0], wait_s) if wait_s <= _LONGEST_WAIT_S else None
    place = _next_place(failures, providers, left)
    return None if place is None else Step(place)


def _may_try_again(failures: Sequence[Failure]) -> bool:
    last = failures[-1]
    return last.kind in _ONCE_MORE and sum(failure.place == last.place for failure in failures) == 1


def _next_place(failures: Sequence[Failure], providers: Sequence[str], left: Sequence[int]) -> int | None:
    """Return who of those `left` comes after the last that failed, past its provider when that refused us twice."""
    last = failures[-1]
    left_out = providers[last.place] if [f.kind for f in failures[-2:]] == ["refused_us"] * 2 else None
    return next((place for place in left if place > last.place and providers[place] != left_out), None)
