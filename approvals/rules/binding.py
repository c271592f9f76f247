"""What an approval is bound to, how long it holds, when it is reminded of, what presses most."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from core.ids import digest_of

USE_WITHIN: Final = timedelta(hours=4)
"""Business time from the answer until an unused approval is void. Source: R-12.8."""
REMIND_AT: Final = (0.5, 0.9)
"""Shares of the time for an answer after which the owner is reminded. Source: R-12.17."""
MOST_ROUNDS: Final = 3
"""So often the owner may ask for a change; after that it is a no. Source: R-12.9."""
UNKNOWN_WORST_MICROUSD: Final = 500_000_000
"""What a question of unknown cost counts as. Source: R-12.11."""
TITLE_LENGTH: Final = 60


def digest_of_effect(action: str, arguments: Mapping[str, Any], binds: Mapping[str, Any]) -> str:
    """Return what a decision is bound to: action, arguments, and the artifact, amount and payee in `binds`."""
    return digest_of([action, arguments, binds])


def kind_of_ask(
    action: str,
    *,
    asked_by: str,
    product: str,
    worst_case_microusd: int | None,
    binds: Mapping[str, Any],
) -> str:
    """Return what equal questions have in common: who asks for what, for which product, at which price.

    Source: R-12.29.
    """
    return digest_of([action, asked_by, product, worst_case_microusd, binds.get("amount_microusd")])


def urgency(*, worst_case_microusd: int | None, left: timedelta) -> float:
    """Return micro-dollars at stake per hour left; the last minute counts like a minute."""
    stake = UNKNOWN_WORST_MICROUSD if worst_case_microusd is None else worst_case_microusd
    return stake / max(left / timedelta(hours=1), 1 / 60)


def oldest_answer_in_force(now: datetime) -> datetime:
    """Return the moment before which every answer is void at `now`."""
    return now - USE_WITHIN


def next_reminder(*, asked_at: datetime, deadline: datetime, now: datetime) -> datetime | None:
    """Return when the owner is reminded next; None: not again."""
    return next((at for at in _reminders(asked_at, deadline) if at > now), None)


def reminders_gone(*, asked_at: datetime, deadline: datetime, now: datetime) -> int:
    """Return how many reminders were due by `now`: 0, 1 or 2."""
    return sum(at <= now for at in _reminders(asked_at, deadline))


def _reminders(asked_at: datetime, deadline: datetime) -> list[datetime]:
    return [asked_at + share * (deadline - asked_at) for share in REMIND_AT]
