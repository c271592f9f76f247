"""Chores of the ground."""

from core.registry import every
from core.services.replies import forget_replies


@every(3600, name="core.forget_replies")
def forget() -> int:
    """Forget what was kept for repeats of REST calls a day ago."""
    return forget_replies()
