"""Where a notice of the watcher goes: a file on this host, and an address on the web."""

import os
from pathlib import Path

import httpx

from core.adapters.tls import trusted
from core.errors import NoticeRefused

TIMEOUT_S = 10.0


class NoticeFile:
    """Appends one line for each notice; it is on the disk when this returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def tell(self, text: str) -> None:
        """Write `text` down."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())


class Webhook:
    """Posts `{"text": ...}`, as chat services take it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def tell(self, text: str) -> None:
        """Post `text`.

        Raises:
            NoticeRefused: it was not taken; may be tried again.
        """
        try:
            httpx.post(
                self._url, json={"text": text}, timeout=TIMEOUT_S, trust_env=False, verify=trusted()
            ).raise_for_status()
        except httpx.HTTPError as error:
            raise NoticeRefused(problem=type(error).__name__) from None
