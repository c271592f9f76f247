"""Money: integer micro-dollars in columns, `Decimal` dollars in Python, never float."""

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

MICROUSD_PER_USD = 1_000_000


def to_microusd(usd: Decimal) -> int:
    """Return the price in micro-dollars, rounded up: a bound never shrinks."""
    return int((usd * MICROUSD_PER_USD).to_integral_value(rounding=ROUND_CEILING))


def to_usd(microusd: int) -> Decimal:
    """Return dollars with six places."""
    return Decimal(microusd) / MICROUSD_PER_USD


def in_words(microusd: int | None) -> str:
    """Return what a page shows: `$1,234.56`, `−$0.40`, `under $0.01`, or `not known yet`."""
    if microusd is None:
        return "not known yet"
    if 0 < microusd < 10_000:
        return "under $0.01"
    cents = to_usd(abs(microusd)).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)
    return f"{'−' if microusd < 0 else ''}${cents:,}"
