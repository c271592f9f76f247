"""Rows for doors that must not block the loop: a few threads that keep their connections."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connection

from agents.gateway.errors import BooksUnreachable

T = TypeVar("T")
THREADS = 8
"""How many questions of one process stand at the database at once; each has a connection."""
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="door-rows")


async def in_rows(work: Callable[[], T]) -> T:
    """Return what `work` returns, carried out in a thread that may touch rows.

    Raises:
        BooksUnreachable: the database does not answer.
    """
    return await asyncio.get_running_loop().run_in_executor(_pool, _on_a_living_connection, work)


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
