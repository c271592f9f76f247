"""What the ground needs from above and from outside."""

from typing import Protocol

from core.models import Event


class Handler(Protocol):
    """Reacts to one event inside the relay's transaction: rows only, no network; a call may come twice."""

    def __call__(self, event: Event, /) -> None:
        """React to `event`."""


class Notices(Protocol):
    """Where the watcher tells what is wrong; no model, no queue and no database of ours stands in between."""

    def tell(self, text: str) -> None:
        """Tell it.

        Raises:
            NoticeRefused, OSError: it was not taken; may be tried again.
        """
