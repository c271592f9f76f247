"""Many at once: what must hold whoever comes first."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def together(works: Sequence[Callable[[], T]]) -> list[T]:
    """Do all of it at once, each in a thread and on a connection of its own; return what each gave, in their order."""
    start = Barrier(len(works))

    def one(work: Callable[[], T]) -> T:
        connection.ensure_connection()
        start.wait(timeout=30)
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))
