"""What an approval is bound to, how long it holds, what presses most."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from core.ids import digest_of

ANSWER_WITHIN = timedelta(hours=4)
"""Business time for an answer; silence refuses. Source: R-12.17."""
USE_WITHIN = timedelta(hours=4)
"""Business time from the answer until an unused approval is void. Source: R-12.8."""
UNKNOWN_WORST_MICROUSD = 500_000_000
"""What a question of unknown cost counts as. Source: R-12.11."""
TITLE_LENGTH = 60


def digest_of_effect(action: str, arguments: Mapping[str, Any], binds: Mapping[str, Any]) -> str:
    """Return what a decision is bound to: action, arguments, and the artifact, amount and payee in `binds`."""
    return digest_of([action, arguments, binds])


def urgency(*, worst_case_microusd: int | None, left: timedelta) -> float:
    """Return micro-dollars at stake per hour left; the last minute counts like a minute."""
    stake = UNKNOWN_WORST_MICROUSD if worst_case_microusd is None else worst_case_microusd
    return stake / max(left / timedelta(hours=1), 1 / 60)


def oldest_answer_in_force(now: datetime) -> datetime:
    """Return the moment before which every answer is void at `now`."""
    return now - USE_WITHIN
