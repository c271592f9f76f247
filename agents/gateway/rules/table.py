"""The table of prices as a file may say it."""

from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Rate = Decimal
"""US dollars per million tokens."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProviderRow(_Row):
    """One address and how it is spoken to; it may be empty where LiteLLM knows it."""

    protocol: Literal["openai", "compatible", "anthropic", "litellm"]
    base_url: str = Field(pattern=r"^(?:https?://|$)")
    needs_key: bool = True

    @model_validator(mode="after")
    def _has_an_address(self) -> "ProviderRow":
        if not self.base_url and self.protocol != "litellm":
            raise ValueError("base_url says where this provider is")
        return self


class ModelRow(_Row):
    """One model; `window` and `output` in tokens."""

    provider: str
    name: str = Field(min_length=1, max_length=80)
    tier: Literal["local", "budget", "mid", "premium", "frontier"]
    window: int = Field(gt=0)
    output: int = Field(gt=0)
    can: tuple[Literal["tools", "json", "vision", "embed"], ...]
    rehearsed: bool = False
    tokens_per_s: int | None = Field(default=None, gt=0)
    parallel: int | None = Field(default=None, gt=0)
    daily_requests: int | None = Field(default=None, gt=0)


class RatesRow(_Row):
    """Prices of one length of prompt."""

    input: Rate = Field(ge=0)
    output: Rate = Field(ge=0)
    cached: Rate = Field(ge=0)
    cache_write: Rate = Field(ge=0)
    cache_write_1h: Rate | None = Field(default=None, ge=0)
    reasoning: Rate | None = Field(default=None, ge=0)


class StepRow(RatesRow):
    """Prices of prompts longer than `above` tokens."""

    above: int = Field(gt=0)


class PriceRow(RatesRow):
    """What one model costs from a date on.

    Attributes:
        model: its name, or `provider/name` where two providers serve it.
        search: US dollars for one search of the provider's own.
    """

    model: str
    valid_from: date
    steps: tuple[StepRow, ...] = ()
    batch_percent: int = Field(default=100, gt=0, le=100)
    search: Rate | None = Field(default=None, ge=0)
    caches_by_itself: bool = False


class PriceTable(_Row):
    """The whole file."""

    providers: dict[str, ProviderRow] = {}
    models: tuple[ModelRow, ...]
    prices: tuple[PriceRow, ...]
