"""Periods, room, signs and signatures: what billing computes."""

import hmac
from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from hashlib import sha256
from statistics import fmean, pstdev
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from billing.errors import CurrencyUnknown, SignatureBad, SignatureOld
from core.clock import end_of_day, end_of_month, start_of_day, start_of_month
from core.money import MICROUSD_PER_USD, to_microusd

CEILING_MICROUSD = 3_000_000_000
"""What one UTC day may cost at most, whatever anybody sets. Source: R-08.1."""

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
RAISE_LASTS = timedelta(days=30)
FRESH = timedelta(minutes=10)
"""How long a sign-in counts as fresh, and how far apart two confirmations of one raise are at least. Source: R-08.2."""
CONFIRM_WITHIN = timedelta(hours=24)
SIGNATURE_AGE_S = 300
SLOT_S = 10
"""Seconds of one slot of the ring from which velocity is read."""
RING = 30
"""Slots of the ring before the running one: five minutes, and at most ten seconds more. Source: R-02.15."""
_SIGNS = {"payment": 1, "refund": -1, "dispute": -1, "fee": -1, "affiliate": 1, "ads": 1}
_MINOR_PER_UNIT = {"jpy": 1, "krw": 1, "vnd": 1, "clp": 1}
"""Of currencies that have no cents."""


@dataclass(frozen=True)
class Room:
    """One window as it stands: all three in micro-dollars."""

    cap: int
    spent: int
    held: int

    @property
    def left(self) -> int:
        """What still fits, never below 0."""
        return max(0, self.cap - self.spent - self.held)

    def may_ever_fit(self, bound: int) -> bool:
        """Say whether `bound` fits once everything held is given back."""
        return self.spent + bound <= self.cap


def headroom(rooms: Iterable[Room]) -> int:
    """Return what fits into every one of `rooms`, never below 0; no limit means nothing fits."""
    return min((room.left for room in rooms), default=0)


def period_bounds(period: str, moment: datetime) -> tuple[datetime, datetime | None]:
    """Return the first instant of the `period` that holds `moment`, and of the next one; a life has no next."""
    if period == "day":
        return start_of_day(moment), end_of_day(moment)
    if period == "month":
        return start_of_month(moment), end_of_month(moment)
    return ALWAYS, None


def signed_microusd(kind: str, *, amount_minor: int, currency: str) -> int:
    """Return what an event of `kind` adds to profit; a kind unknown here adds nothing until a person looks.

    `amount_minor` is in cents, never negative: the kind carries the sign. Source: R-10.24, R-18.4.

    Raises:
        CurrencyUnknown: only US dollars have a rate.
    """
    if currency.lower() != "usd":
        raise CurrencyUnknown(currency=currency[:10])
    return _SIGNS.get(kind, 0) * amount_minor * 10_000


def standard_fee_minor(amount_minor: int) -> int:
    """Return the fee of a card payment in cents, rounded up, for a processor that does not say. Source: R-08.23."""
    return -(-amount_minor * 29 // 1000) + 30


def sign(body: bytes, *, secret: str, at: int) -> str:
    """Return the signature header of `body`, signed at the Unix second `at`."""
    return f"t={at},v1={_mac(body, secret=secret, at=at)}"


def check_signature(header: str, *, body: bytes, secret: str, now: float) -> int:
    """Return the Unix second at which `body` was signed.

    Raises:
        SignatureBad: missing, unreadable, or made with another secret or for another body.
        SignatureOld: genuine, but more than five minutes away from `now`.
    """
    parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
    at = parts.get("t", "")
    if not (at.isascii() and at.isdigit() and len(at) < 12):
        raise SignatureBad
    if not hmac.compare_digest(parts.get("v1", "").encode(), _mac(body, secret=secret, at=int(at)).encode()):
        raise SignatureBad
    if abs(now - int(at)) > SIGNATURE_AGE_S:
        raise SignatureOld(signed_at=datetime.fromtimestamp(int(at), tz=UTC).isoformat())
    return int(at)


def _mac(body: bytes, *, secret: str, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, sha256).hexdigest()


@dataclass(frozen=True)
class ForeignBill:
    """What a bill said in its own currency, and the rate of its day. Source: R-18.3."""

    original_minor: int
    currency: str
    rate: Decimal
    rate_on: date

    @property
    def amount_microusd(self) -> int:
        """What it is worth in dollars, rounded half to even."""
        units = Decimal(self.original_minor) / _MINOR_PER_UNIT.get(self.currency, 100)
        return int((units * self.rate * MICROUSD_PER_USD).to_integral_value(rounding=ROUND_HALF_EVEN))


def share_of_day(total_microusd: int, *, day: date) -> int:
    """Return what one day bears of a month's cost, so that its days add up to the whole."""
    days = monthrange(day.year, day.month)[1]
    return _part(total_microusd, number=day.day, of=days)


def share_of_month(price_microusd: int, *, since: date, months: int, day: date) -> int:
    """Return what the month of `day` bears of a thing bought on `since` and used up in `months`; 0 before and after.

    Source: R-08.6.
    """
    number = 12 * (day.year - since.year) + day.month - since.month + 1
    return _part(price_microusd, number=number, of=months) if 1 <= number <= months else 0


def electricity_of_day(watts: Decimal, *, usd_per_kwh: Decimal) -> int:
    """Return what a host that draws `watts` costs in 24 hours. Source: R-08.6."""
    return to_microusd(watts * 24 / 1000 * usd_per_kwh)


def _part(total: int, *, number: int, of: int) -> int:
    """Return the part with this number, from 1: cut so that all of them add up to `total`."""
    return total * number // of - total * (number - 1) // of


StandingKind = Literal[
    "electricity", "hardware", "hosting", "domain", "database", "mail", "tools", "subscription", "marketing", "browser", "other"
]  # fmt: skip


class _Said(BaseModel):
    """One part of a file that people edit; a strange name in it is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rate(_Said):
    """What one unit of a currency is worth in dollars, since which day."""

    usd: Decimal = Field(gt=0)
    day: date


class StandingLine(_Said):
    """One thing that costs every day: electricity by its watts, hardware by its price, all others by the month.

    `since` None: an example. `until` is its last day. Source: R-08.6, R-08.23.
    """

    name: str = Field(min_length=1, max_length=60)
    kind: StandingKind
    since: date | None = None
    until: date | None = None
    product: str = ""
    currency: str = Field("usd", pattern="^[a-z]{3}$")
    a_month: Decimal | None = Field(None, ge=0, le=100_000)
    price: Decimal | None = Field(None, ge=0, le=1_000_000)
    months: int = Field(24, ge=1, le=600)
    watts: Decimal | None = Field(None, ge=0, le=100_000)
    usd_per_kwh: Decimal = Field(Decimal("0.30"), ge=0, le=10)

    @model_validator(mode="after")
    def _says_one_amount(self) -> "StandingLine":
        if sum(amount is not None for amount in (self.a_month, self.price, self.watts)) != 1:
            raise ValueError("every line says one of a_month, price and watts")
        if self.watts is not None and self.currency != "usd":
            raise ValueError("electricity is counted in dollars")
        return self

    def is_due(self, day: date) -> bool:
        """Say whether it costs something on `day`, where it counts from its beginning."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)

    def units_of_day(self, day: date, *, founded: date, per_unit: int) -> int:
        """Return what `day` bears of it in parts of its currency, `per_unit` to one; days of a month add up to the month.

        A thing without a beginning began when the factory was `founded`.
        """
        if self.watts is not None:
            return electricity_of_day(self.watts, usd_per_kwh=self.usd_per_kwh)
        if self.a_month is not None:
            return share_of_day(int(self.a_month * per_unit), day=day)
        price = int((self.price or Decimal()) * per_unit)
        return share_of_day(
            share_of_month(price, since=self.since or founded, months=self.months, day=day), day=day
        )


class Quota(_Said):
    """What is free up to a number of calls a day. Source: R-08.23."""

    name: str = Field(min_length=1, max_length=60)
    models: tuple[str, ...] = Field(min_length=1)
    calls_a_day: int = Field(gt=0)


class Standing(_Said):
    """The whole table of standing costs."""

    rates: dict[str, Rate] = Field(default_factory=dict)
    lines: tuple[StandingLine, ...] = ()
    quotas: tuple[Quota, ...] = ()

    @model_validator(mode="after")
    def _names_are_names(self) -> "Standing":
        names = [(line.kind, line.name) for line in self.lines]
        if len(set(names)) < len(names):
            raise ValueError("two lines of one kind have the same name")
        return self

    def cost_of_day(self, line: StandingLine, day: date, *, founded: date) -> int | ForeignBill:
        """Return what `day` bears of `line`: micro-dollars, or a bill in its currency.

        Raises:
            CurrencyUnknown: the table has no rate for it.
        """
        if line.currency == "usd":
            return line.units_of_day(day, founded=founded, per_unit=MICROUSD_PER_USD)
        rate = self.rates.get(line.currency)
        if rate is None:
            raise CurrencyUnknown(currency=line.currency)
        minor = line.units_of_day(day, founded=founded, per_unit=_MINOR_PER_UNIT.get(line.currency, 100))
        return ForeignBill(original_minor=minor, currency=line.currency, rate=rate.usd, rate_on=rate.day)


Level = Literal["info", "warning", "critical"]


class Pace(_Said):
    """So many times what was before, and at least so many dollars."""

    times: Decimal = Field(gt=0)
    least: Decimal = Field(ge=0)
    pause_min: int = Field(0, ge=0)

    def is_passed(self, amount_microusd: int, *, before_microusd: int) -> bool:
        """Say whether `amount` is out of proportion to what was `before` in as long a time."""
        return amount_microusd >= to_microusd(self.least) and amount_microusd > self.times * before_microusd


class Unusual(_Said):
    """So many standard deviations above the mean, and at least so many dollars."""

    sigmas: Decimal = Field(ge=0)
    least: Decimal = Field(ge=0)

    def is_passed(self, amount_microusd: int, *, days: Sequence[int]) -> bool:
        """Say whether `amount` stands out of the `days` before; without any nothing does."""
        if not days or amount_microusd < to_microusd(self.least):
            return False
        return amount_microusd > fmean(days) + float(self.sigmas) * pstdev(days)


class Mix(_Said):
    """How many percent of the calls cheap models make at least, and top models at most. Source: R-02.7.

    `cache_least`: how many percent of what an agent reads should come from the provider's cache. Source: R-02.19.
    """

    cheap_least: int = Field(ge=0, le=100)
    top_most: int = Field(ge=0, le=100)
    cache_least: int = Field(ge=0, le=100)


class Span(_Said):
    """From so many dollars to so many."""

    least: Decimal = Field(alias="from", ge=0)
    most: Decimal = Field(alias="to", ge=0)


class AlertTable(_Said):
    """When the owner is told of money. Source: R-08.3, R-08.4."""

    lines: dict[int, Level]
    factory_day: dict[int, Level]
    month_forecast: dict[int, Level]
    agent_pace: Pace
    factory_hour: Pace
    agent_day: Unusual
    mix: Mix
    product_built: Span


def lines_passed(lines: Iterable[int], *, room: Room) -> tuple[int, ...]:
    """Return the lines in percent of the cap that `room` has passed; the last one also by what is held."""
    taken = {line: room.spent + (room.held if line >= 100 else 0) for line in lines}
    return tuple(line for line in sorted(taken) if taken[line] and 100 * taken[line] >= line * room.cap)


def month_forecast(
    spent_microusd: int, *, full_days: Sequence[int], today_microusd: int, now: datetime
) -> int:
    """Return what a month will cost: what is spent, and the mean of the last full days for each day that is left.

    Args:
        spent_microusd: this month, today included.
        full_days: what each of the last full days cost, at most seven count; none: today so far is a day.
        today_microusd: what today cost so far.
        now: business time.

    Source: R-08.3.
    """
    days = full_days[-7:] or [today_microusd]
    left = (end_of_month(now) - end_of_day(now)) / timedelta(days=1)
    return spent_microusd + round(Decimal(sum(days)) / len(days) * Decimal(left))
