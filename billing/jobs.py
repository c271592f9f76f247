"""What billing does every few seconds."""

from billing import services
from core.registry import every


@every(15, name="billing.expire_holds")
def expire_holds() -> None:
    """Book holds that nobody settled in time."""
    services.expire_holds()
