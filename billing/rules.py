"""Periods, room, signs and signatures: what billing computes."""

import hmac
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from hashlib import sha256

from billing.errors import CurrencyUnknown, SignatureBad, SignatureOld
from core.clock import end_of_day, end_of_month, start_of_day, start_of_month
from core.money import MICROUSD_PER_USD, to_microusd

CEILING_MICROUSD = 3_000_000_000
"""What one UTC day may cost at most, whatever anybody sets. Source: R-08.1."""

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
SIGNATURE_AGE_S = 300
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
