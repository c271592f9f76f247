"""Where the two factories of one installation stand: the one that rehearses and the real one, each in a home of its own."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from django.db import connections

from core.adapters.database import sqlite

OPENED: Final = "opened"
"""The file that says in a real home: a key worked here, so from now on the factory starts real."""
_OLD: Final = "other_home"


def is_opened(home: Path) -> bool:
    """Say whether the real factory in `home` was opened."""
    with suppress(OSError):
        return (home / OPENED).exists()
    return False


def open_home(home: Path) -> None:
    """Let the factory start real in `home` from now on. Safe to run twice."""
    (home / OPENED).touch(mode=0o600)


@contextmanager
def rows_of(home: Path) -> Iterator[str | None]:
    """Give the name under which the rows of the database file in another home can be read; None: there is none."""
    if not (home / "db.sqlite3").is_file():
        yield None
        return
    options = {"timeout": 20, "transaction_mode": "DEFERRED"}
    told = connections.configure_settings({"default": {}, _OLD: {**sqlite(home), "OPTIONS": options}})
    connections.settings[_OLD] = told[_OLD]
    try:
        yield _OLD
    finally:
        connections[_OLD].close()
        del connections[_OLD], connections.settings[_OLD]
