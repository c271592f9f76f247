"""How long an answer may take: a minute, and what its length needs. Source: R-02.10."""

BASE_S = 60.0
"""What any answer may take, short ones too."""
LONGEST_S = 600.0
"""What no answer may pass: a hold lives a little longer."""
SLOW_TOKENS_PER_S = 20
"""A pace that every hosted model keeps, reasoning included."""


def longest_s(room_tokens: int, *, tokens_per_s: int | None = None) -> float:
    """Return within how many seconds an answer of at most so many tokens is over.

    A minute alone would cut every long answer of a model that thinks; more than its room needs is only waiting.
    `tokens_per_s` is the model's own pace, None: nobody measured it; only a slower one than usual counts.
    """
    pace = min(tokens_per_s or SLOW_TOKENS_PER_S, SLOW_TOKENS_PER_S)
    return min(LONGEST_S, BASE_S + room_tokens / pace)
