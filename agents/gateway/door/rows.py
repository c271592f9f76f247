"""Rows for doors that must not block the loop: a few threads that keep their connections."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connection

from agents.gateway.errors import BooksUnreachable

T = TypeVar("T")
BEGINNINGS, THREADS = 8, 4
"""How many calls of one process are prepared at once, and how many other questions stand at the database; each has a connection."""
_beginnings = ThreadPoolExecutor(BEGINNINGS, thread_name_prefix="door-begins")
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="door-rows")


async def in_rows(work: Callable[[], T]) -> T:
    """Return what `work` returns, carried out in a thread that may touch rows.

    Raises:
        BooksUnreachable: the database does not answer.
    """
    return await _in(_pool, work)


async def in_preparation(work: Callable[[], T]) -> T:
    """Return the same of what comes before a call leaves: it may wait for a provider that counts, and nobody waits for it.

    Raises:
        BooksUnreachable: the database does not answer.
    """
    return await _in(_beginnings, work)


async def _in(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, _on_a_living_connection, work)


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
