"""What a call costs, and what it can cost at most: integers, rounded up."""

from dataclasses import dataclass

PROMPT_OVERHEAD_TOKENS = 1_000
"""What providers add to a prompt by themselves: roles, tool instructions, schema instructions."""

_MTOK = 1_000_000


@dataclass(frozen=True)
class Tariff:
    """Prices of one model on one day, in micro-dollars per million tokens."""

    input: int
    output: int
    cached: int
    cache_write: int


@dataclass(frozen=True)
class Usage:
    """Tokens as billed.

    Attributes:
        prompt: all that was read, `cached` and `cache_write` included.
        completion: all that was written, reasoning included.
        reasoning: how much of `completion` was reasoning; None: the provider does not say.
    """

    prompt: int
    completion: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int | None = None

    @property
    def is_plausible(self) -> bool:
        """Whether these counts can be a bill at all."""
        parts = (self.prompt, self.completion, self.cached, self.cache_write, self.reasoning or 0)
        is_count = all(type(part) is int and 0 <= part < 10**9 for part in parts)
        return is_count and self.cached + self.cache_write <= self.prompt


def cost_microusd(usage: Usage, tariff: Tariff) -> int:
    """Return what `usage` costs, rounded up to a whole micro-dollar. Source: R-02.12."""
    fresh = usage.prompt - usage.cached - usage.cache_write
    dear = fresh * tariff.input + usage.cached * tariff.cached + usage.cache_write * tariff.cache_write
    return -(-(dear + usage.completion * tariff.output) // _MTOK)


def bound_microusd(*, body_bytes: int, max_tokens: int, tariff: Tariff) -> int:
    """Return what a call of `body_bytes` costs at most: a token is at least one byte of what is sent.

    Every token of the prompt is priced at the dearest rate at which it can be billed.
    """
    rate = max(tariff.input, tariff.cached, tariff.cache_write)
    tokens = body_bytes + PROMPT_OVERHEAD_TOKENS
    return -(-(tokens * rate + max_tokens * tariff.output) // _MTOK)


def likely_tokens(body_bytes: int) -> int:
    """Return about how many tokens a body has, on the high side for prose, code and JSON: for windows, not for money."""
    return body_bytes // 3 + 1
