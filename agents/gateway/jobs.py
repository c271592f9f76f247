"""What the gateway does from time to time."""

from agents.gateway.services import batches, key_check, repeats
from core.registry import every


@every(600, name="gateway.forget_answers")
def forget_answers() -> None:
    """Forget answers that are too old to be given again."""
    repeats.forget_answers()


@every(15, name="gateway.move_batches")
def move_batches() -> None:
    """Hand in what waits for the batch lane and settle what ended there."""
    batches.move_batches()


@every(3_600, name="gateway.forget_batches")
def forget_batches() -> None:
    """Forget batches that are over for a week."""
    batches.forget_batches()


@every(86_400, name="gateway.read_lists")
def read_lists() -> None:
    """Read which models each key has today; that costs nothing and asks no model."""
    key_check.read_lists()
