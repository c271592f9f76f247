"""Rows for doors that must not block the loop: a few threads that keep their connections."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, connection

from agents.gateway.errors import BooksUnreachable

T = TypeVar("T")
THREADS, SPARE = 8, 4
"""How many questions of one process stand at the database at once, and how many more while those are all taken; each has a connection."""
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="door-rows")
_spare = ThreadPoolExecutor(SPARE, thread_name_prefix="door-spare")
_taken: set[Future[Any]] = set()


async def in_rows(work: Callable[[], T]) -> T:
    """Return what `work` returns, carried out in a thread that may touch rows; a spare one where the others are taken.

    Raises:
        BooksUnreachable: the database does not answer.
    """
    if len(_taken) < THREADS:
        return await in_preparation(work)
    return await asyncio.wrap_future(_spare.submit(_on_a_living_connection, work))


async def in_preparation(work: Callable[[], T]) -> T:
    """Return the same of what comes before a call leaves: it may wait for a provider that counts, and nobody waits for it.

    Raises:
        BooksUnreachable: the database does not answer.
    """
    begun = _threads.submit(_on_a_living_connection, work)
    _taken.add(begun)
    begun.add_done_callback(_taken.discard)
    return await asyncio.wrap_future(begun)


def _on_a_living_connection(work: Callable[[], T]) -> T:
    """A file stays open from call to call; a connection to a server goes back to its pool, which asks whether it lives."""
    try:
        return work()
    except (DatabaseError, InterfaceError) as problem:
        connection.close()
        raise BooksUnreachable(problem=type(problem).__name__) from problem
    finally:
        if connection.vendor != "sqlite":
            connection.close()
