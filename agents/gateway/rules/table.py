"""The table of prices as a file may say it."""

from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Rate = Decimal
"""US dollars per million tokens."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProviderRow(_Row):
    """One address and how it is spoken to."""

    protocol: Literal["openai", "anthropic"]
    base_url: str = Field(pattern=r"^https?://")


class ModelRow(_Row):
    """One model; `window` and `output` in tokens."""

    provider: str
    name: str = Field(min_length=1, max_length=80)
    tier: Literal["local", "budget", "mid", "premium", "frontier"]
    window: int = Field(gt=0)
    output: int = Field(gt=0)
    can: tuple[Literal["tools", "json", "vision"], ...]


class PriceRow(_Row):
    """What one model costs from a date on."""

    model: str
    valid_from: date
    input: Rate = Field(ge=0)
    output: Rate = Field(ge=0)
    cached: Rate = Field(ge=0)
    cache_write: Rate = Field(ge=0)


class PriceTable(_Row):
    """The whole file."""

    providers: dict[str, ProviderRow]
    models: tuple[ModelRow, ...]
    prices: tuple[PriceRow, ...]
