"""A database that is away for a moment: what that looks like, and how work outlives it."""

import logging
import sqlite3
import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import Error, InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)
T = TypeVar("T")
_STOOD_STILL: Final = "25P03"
"""PostgreSQL ended a transaction of ours, because we were frozen in it for too long."""
LAST_S: Final = 60.0
WAIT_S: Final = 0.5
"""How long what is done outlives a database that is away, and how often it looks."""


def is_away(error: BaseException) -> bool:
    """Say whether the database could not be asked; a question that it refuses as wrong is another thing."""
    if getattr(error.__cause__, "sqlstate", None) == _STOOD_STILL:
        return True
    is_wrong = getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return isinstance(error, OperationalError | InterfaceError) and not is_wrong


def outlast(work: Callable[[], T]) -> T:
    """Return what `work` returns, done again while the database is away; it must be safe to run twice.

    Inside a transaction of the caller there is nothing to repeat: he hears of it.
    """
    until = time.monotonic() + LAST_S
    while time.monotonic() < until:
        try:
            return work()
        except Error as error:
            if connection.in_atomic_block or not is_away(error):
                raise
            logger.warning("core.database_away", exc_info=error)
            connection.close()  # a broken one stays broken
            time.sleep(WAIT_S)
    return work()
