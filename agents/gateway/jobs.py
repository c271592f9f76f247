"""What the gateway does from time to time."""

from agents.gateway.services import repeats
from core.registry import every


@every(600, name="gateway.forget_answers")
def forget_answers() -> None:
    """Forget answers that are too old to be given again."""
    repeats.forget_answers()
