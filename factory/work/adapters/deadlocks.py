"""Transactions that PostgreSQL gave up because two of them waited for each other: they are simply done again."""

from collections.abc import Callable
from typing import Final, TypeVar

from django.db import OperationalError, connection

T = TypeVar("T")
TRIES: Final = 5
_AGAIN: Final = frozenset({"40P01", "40001"})


def repeated(transaction: Callable[[], T]) -> T:
    """Return what `transaction` returns, done again while the database chose it as the victim of a deadlock.

    Inside a transaction of the caller there is nothing to repeat: he hears of it.
    """
    for _ in range(TRIES - 1):
        try:
            return transaction()
        except OperationalError as error:
            if connection.in_atomic_block or getattr(error.__cause__, "sqlstate", "") not in _AGAIN:
                raise
    return transaction()
