"""What a call costs, and what it can cost at most: integers, rounded up."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

_MTOK = 1_000_000
_HOUR_WRITE = 2
"""An hour in the cache costs twice the input where a table does not say. Source: Anthropic's price page."""

Writes = Literal["", "5m", "1h"]
"""What a request asks the provider to keep in its cache: nothing, or parts of it for five minutes or an hour."""


@dataclass(frozen=True)
class Rates:
    """Prices of one step, in micro-dollars per million tokens; None: as the table's general rule says."""

    input: int
    output: int
    cached: int
    cache_write: int
    cache_write_1h: int | None = None
    reasoning: int | None = None

    @property
    def hour_write(self) -> int:
        """What a token costs that enters the cache for an hour."""
        if self.cache_write_1h is not None:
            return self.cache_write_1h
        return max(self.cache_write, _HOUR_WRITE * self.input)

    @property
    def thought(self) -> int:
        """What a token of reasoning costs. Source: R-02.29."""
        return self.output if self.reasoning is None else self.reasoning

    def reading(self, writes: Writes, *, caches_by_itself: bool) -> int:
        """Return the dearest rate at which a token of the prompt can be billed; the cache counts as cold."""
        rates = [self.input, self.cached]
        if writes or caches_by_itself:
            rates.append(self.cache_write)
        if writes == "1h":
            rates.append(self.hour_write)
        return max(rates)


@dataclass(frozen=True)
class Step:
    """Prices of prompts longer than `above` tokens, for the whole request."""

    above: int
    rates: Rates


@dataclass(frozen=True)
class Tariff(Rates):
    """Prices of one model on one day.

    Attributes:
        steps: dearer prices of long prompts, shortest first.
        batch_percent: the price in the batch lane, in percent.
        search_microusd: one use of the provider's own web search; None: unknown.
        caches_by_itself: the provider writes its cache unasked, so that every prompt may be billed as written.
        dated: the prices of those of its dated names that have one of their own.
    """

    steps: tuple[Step, ...] = ()
    batch_percent: int = 100
    search_microusd: int | None = None
    caches_by_itself: bool = False
    dated: "tuple[tuple[str, Tariff], ...]" = ()

    @cached_property
    def dearest(self) -> tuple[int, int]:
        """The dearest that a token read and a token written can be, whatever is asked: to see at a glance what surely fits."""
        every = [rates for one in self.served for rates in (one, *(step.rates for step in one.steps))]
        return (
            max(rates.reading("1h", caches_by_itself=True) for rates in every),
            max(max(rates.output, rates.thought) for rates in every),
        )

    @property
    def served(self) -> "tuple[Tariff, ...]":
        """The prices of all who may serve when the model is asked: itself, or one of its dated names."""
        return (self, *(tariff for _, tariff in self.dated))

    @property
    def is_free(self) -> bool:
        """Whether nothing costs anything, whatever is used."""
        return self.dearest == (0, 0) and not self.search_microusd

    def of(self, served: str) -> "Tariff":
        """Return the prices of the one that served, by one of the model's names."""
        return dict(self.dated).get(served, self)

    def at(self, prompt_tokens: int) -> Rates:
        """Return the prices of a prompt of that many tokens."""
        reached = [step.rates for step in self.steps if prompt_tokens > step.above]
        return reached[-1] if reached else self

    def up_to(self, prompt_tokens: int) -> tuple[Rates, ...]:
        """Return every price that a prompt of at most that many tokens can have."""
        return (self, *(step.rates for step in self.steps if prompt_tokens > step.above))


FREE = Tariff(0, 0, 0, 0)
"""What a model costs on our own machine."""


@dataclass(frozen=True)
class Usage:
    """Tokens as billed.

    Attributes:
        prompt: all that was read, `cached` and `cache_write` included.
        completion: all that was written, reasoning included.
        cache_write: all that was written into the cache, that for an hour included.
        reasoning: how much of `completion` was reasoning; None: the provider does not say.
        searches: uses of the provider's own web search.
    """

    prompt: int
    completion: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int | None = None
    cache_write_1h: int = 0
    searches: int = 0

    @property
    def is_plausible(self) -> bool:
        """Whether these counts can be a bill at all."""
        parts = (
            self.prompt, self.completion, self.cached, self.cache_write, self.reasoning or 0, self.cache_write_1h, self.searches,
        )  # fmt: skip
        is_count = all(type(part) is int and 0 <= part < 10**9 for part in parts)
        return (
            is_count
            and self.cached + self.cache_write <= self.prompt
            and self.cache_write_1h <= self.cache_write
            and (self.reasoning or 0) <= self.completion
        )

    def is_bill_of(self, written_bytes: int) -> bool:
        """Whether this can be the bill of an answer of so much text: what was asked was read, what was heard was written."""
        return self.is_plausible and self.prompt > 0 and (self.completion > 0 or not written_bytes)


@dataclass(frozen=True)
class Most:
    """The most that one request can use.

    Attributes:
        prompt: tokens read, each time it is read.
        completion: tokens written, reasoning and every choice included.
        searches: how often the provider may search the web by itself.
    """

    prompt: int
    completion: int
    writes: Writes = ""
    searches: int = 0


def cost_microusd(usage: Usage, tariff: Tariff, *, is_batch: bool = False) -> int:
    """Return what `usage` costs, rounded up to a whole micro-dollar. Source: R-02.12."""
    rates = tariff.at(usage.prompt)
    fresh = usage.prompt - usage.cached - usage.cache_write
    brief = usage.cache_write - usage.cache_write_1h
    thought = usage.reasoning or 0
    dear = (
        fresh * rates.input
        + usage.cached * rates.cached
        + brief * rates.cache_write
        + usage.cache_write_1h * rates.hour_write
        + (usage.completion - thought) * rates.output
        + thought * rates.thought
    )
    percent = tariff.batch_percent if is_batch else 100
    return -(-dear * percent // (_MTOK * 100)) + usage.searches * (tariff.search_microusd or 0)


def bound_microusd(most: Most, tariff: Tariff) -> int:
    """Return what a request costs at most: everything it may use, at the dearest price it can reach, whoever serves."""
    return max(_bound(most, one) for one in tariff.served)


def _bound(most: Most, tariff: Tariff) -> int:
    tokens = max(
        most.prompt * rates.reading(most.writes, caches_by_itself=tariff.caches_by_itself)
        + most.completion * max(rates.output, rates.thought)
        for rates in tariff.up_to(most.prompt)
    )
    return -(-tokens // _MTOK) + most.searches * (tariff.search_microusd or 0)


def in_batch(microusd: int, *, percent: int) -> int:
    """Return what so much is in the batch lane at `percent` of the price, rounded up."""
    return -(-microusd * percent // 100)


def likely_microusd(prompt: int, completion: int, tariff: Tariff) -> int:
    """Return about what a call costs: to compare models, not for money."""
    rates = tariff.at(prompt) if tariff.steps else tariff
    return (prompt * rates.input + completion * rates.output) // _MTOK


def likely_tokens(body_bytes: int) -> int:
    """Return about how many tokens a body has, on the high side for prose, code and JSON: for windows, not for money."""
    return body_bytes // 3 + 1
