"""Periods, room, signs and signatures: what billing computes."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from billing.errors import CurrencyUnknown, SignatureBad, SignatureOld
from core.clock import end_of_day, end_of_month, start_of_day, start_of_month

CEILING_MICROUSD = 3_000_000_000
"""What one UTC day may cost at most, whatever anybody sets. Source: R-08.1."""

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
SIGNATURE_AGE_S = 300
_SIGNS = {"payment": 1, "refund": -1, "dispute": -1, "fee": -1, "affiliate": 1, "ads": 1}


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
