"""What billing does every few seconds."""

from billing import services
from core.registry import every


@every(15, name="billing.expire_holds")
def expire_holds() -> None:
    """Book holds that nobody settled in time, and at once those of processes that died on this host."""
    services.expire_holds()
    services.settle_orphans()


@every(60, name="billing.book_standing")
def book_standing() -> None:
    """Book what the factory costs whoever works, once for each line and day."""
    services.book_standing()


@every(15, name="billing.watch_money")
def watch_money() -> None:
    """Tell the owner of every line that money passed, once for each period."""
    services.watch_limits()
    services.watch_pace()


@every(30, name="billing.end_raises")
def end_raises() -> None:
    """Let old limits return where a raise is over."""
    services.end_raises()


@every(60, name="billing.tidy_switches")
def tidy_switches() -> None:
    """Lift throttles when spending is calm, forget what is too old."""
    services.tidy_switches()
