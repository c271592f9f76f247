"""The way of news to open pages, over the channel layer: a lost message costs a look, nothing else."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Coroutine, Iterable
from typing import Final

from channels.layers import InMemoryChannelLayer, get_channel_layer

logger = logging.getLogger(__name__)
GATHER_S: Final = 0.2
"""News of so long a time travel together."""


def group_of(topic: str) -> str:
    """Return the name under which the channel layer knows `topic`."""
    return f"live.{topic.replace(':', '.')}"


class Teller:
    """Gathers topics for a moment and tells each once, on a thread of its own, so that no worker waits for it."""

    def __init__(self) -> None:
        self._listener: asyncio.AbstractEventLoop | None = None
        self._begin()

    def _begin(self) -> None:
        self._topics: set[str] = set()
        self._bell = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def after_fork(self) -> None:
        """Begin anew in a child process: threads do not survive a fork."""
        self._listener = None
        self._begin()

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let pages of this process be served by `loop`; an in-process layer must be spoken to from there."""
        self._listener = loop

    def tell(self, topics: Iterable[str]) -> None:
        """Send these topics within a moment; never waits and never raises."""
        with self._lock:
            self._topics.update(topics)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live-teller", daemon=True)
                self._thread.start()
        self._bell.set()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while self._bell.wait():
                time.sleep(GATHER_S)
                self._bell.clear()
                with self._lock:
                    topics, self._topics = self._topics, set()
                try:
                    self._send(_tell_all(topics), runner=runner)
                except Exception as error:  # noqa: BLE001 (the outermost loop; without a channel layer pages poll)
                    logger.warning("live.not_told", extra={"topics": len(topics), "error": repr(error)[:200]})

    def _send(self, news: Coroutine[None, None, None], *, runner: asyncio.Runner) -> None:
        if not isinstance(get_channel_layer(), InMemoryChannelLayer):
            runner.run(news)
        elif self._listener is not None and self._listener.is_running():
            asyncio.run_coroutine_threadsafe(news, self._listener).result(timeout=5)
        else:
            news.close()


async def _tell_all(topics: Iterable[str]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    for topic in topics:
        await layer.group_send(group_of(topic), {"type": "news", "topic": topic})


teller = Teller()
os.register_at_fork(after_in_child=teller.after_fork)
