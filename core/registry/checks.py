"""Checks: what health and doctor ask each app."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from core.registry.names import put


@dataclass(frozen=True)
class Finding:
    """One answer: how it stands, in words, and what to do about it."""

    state: Literal["fine", "warn", "fail"]
    words: str
    cure: str = ""


Check = Callable[[], Finding]
_checks: dict[str, Check] = {}


def register_check(name: str) -> Callable[[Check], Check]:
    """Register the decorated function as the check `name`."""

    def register(check: Check) -> Check:
        put(_checks, name=name, thing=check)
        return check

    return register


def run_checks() -> dict[str, Finding]:
    """Ask every check once, in order of name."""
    return {name: _checks[name]() for name in sorted(_checks)}
