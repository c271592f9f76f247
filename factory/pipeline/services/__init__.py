"""The pipeline's verbs."""

from factory.pipeline.services.build import open_release
from factory.pipeline.services.cycle import look_around
from factory.pipeline.services.hooks import close_hook, open_hook, receive_call, take_calls
from factory.pipeline.services.objectives import Wish, move_objective, receive_objective
from factory.pipeline.services.starts import cancel_objective
from factory.pipeline.services.ventures import (
    begin_objective,
    begin_venture,
    decline_build,
    scan_file,
    start_from_idea,
)

__all__ = [
    "Wish", "begin_objective", "begin_venture", "cancel_objective", "close_hook", "decline_build", "look_around", "move_objective",
    "open_hook", "open_release", "receive_call", "receive_objective", "scan_file", "start_from_idea", "take_calls",
]  # fmt: skip
