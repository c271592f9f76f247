"""What happens after a failure: again, when, with what; or no more."""

from dataclasses import dataclass
from typing import Final, Literal

MAX_FAILURES: Final = 3
MAX_DEATHS: Final = 3
MAX_UNSTARTED: Final = 5
MAX_TOTAL_S: Final = 24 * 3_600
"""Working time of one task over all attempts. Source: R-01.18."""

ErrorClass = Literal[
    "transient", "invalid_output", "low_quality", "stuck", "crash", "budget", "permanent", "rejected"
]
ERROR_CLASSES: Final = frozenset(
    {"transient", "invalid_output", "low_quality", "stuck", "crash", "budget", "permanent", "rejected"}
)
RETRYABLE: Final = frozenset({"transient", "invalid_output", "low_quality", "stuck", "crash"})
"""Source: R-01.16."""
AT_ONCE: Final = frozenset({"invalid_output", "low_quality"})
"""Nothing outside has to recover before the next attempt."""


@dataclass(frozen=True)
class Record:
    """How the attempts at a task went so far, the last one included.

    Attributes:
        failures: attempts that failed, deaths among them.
        deaths: attempts whose worker vanished.
        faults: attempts that failed while somebody worked: those say something about brief and model.
        raised: attempts that ended in an exception nobody expected.
        agents: how many different agents failed.
        worked_s: working time of all attempts.
    """

    failures: int
    deaths: int = 0
    faults: int = 0
    raised: int = 0
    agents: int = 0
    worked_s: float = 0.0


def may_retry(error_class: str, *, record: Record) -> bool:
    """Say whether a task whose last attempt failed like this is tried again by itself.

    An unexpected exception is taken for a passing trouble once. Source: R-01.16, R-04.17.
    """
    return (
        error_class in RETRYABLE
        and record.failures < MAX_FAILURES
        and record.raised < 2
        and record.worked_s < MAX_TOTAL_S
    )


def is_poison(record: Record) -> bool:
    """Say whether the task itself seems to kill whoever tries it. Source: R-04.19, U-12."""
    return record.deaths >= MAX_DEATHS or (record.agents >= 2 and record.failures >= MAX_FAILURES)


def backoff_s(failures: int, *, dice: float) -> float:
    """Return the pause in seconds before the next attempt.

    Args:
        failures: failed attempts so far, at least 1.
        dice: a random number from 0 to 1.

    Source: R-04.17.
    """
    return float(min(10.0 * 2 ** (failures - 1), 300.0) * (0.5 + dice))


def wait_s(error_class: str, *, failures: int, dice: float) -> float:
    """Return how long a task waits for its next attempt after a failure of this class, in seconds."""
    return 0.0 if error_class in AT_ONCE else backoff_s(failures, dice=dice)


def is_first_death(error_class: str, *, record: Record) -> bool:
    """Say whether only a worker died so far: that says nothing about the task, and it begins again at once."""
    return error_class == "crash" and record.deaths == record.failures == 1


def tier_steps(last_class: str, *, faults: int) -> int:
    """Return how many tiers above the agent's own the next attempt's model stands. Source: R-01.15, R-01.16.

    Args:
        last_class: the class of the last failure, empty when there was none.
        faults: attempts that failed while somebody worked: a death says nothing about the model.
    """
    return 1 if faults >= 2 or last_class == "low_quality" else 0
