"""The rows of money in PostgreSQL: wait for who moves money now, then decide on what the rows hold; both travel together."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from psycopg.types.json import Jsonb

from billing.ports import Bill, Settled, Verdict, Wish
from billing.rules import RING, SLOT_S

_ONE_BY_ONE: Final = int.from_bytes(b"money")
LOCK: Final = f"select pg_advisory_xact_lock({_ONE_BY_ONE})"
"""Who moves money waits for whoever moves it now; the two functions begin with the same."""
FLUSH: Final = "select pg_logical_emit_message(true, 'hold', '')"
"""A transaction of one word: at its end everything committed before it is on the disk."""
FLUSH_HOLD: Final = f"{FLUSH} from billing_hold where call_id = %s"
"""The same, unless nothing was held."""
PLACE: Final = "select billing_place(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
SETTLE: Final = "select * from billing_settle(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
"""Both stand in the database, made by its migrations: each step sees what those before it wrote, and what others did before the lock."""

_may_wait: ContextVar[bool] = ContextVar("may_wait", default=True)
"""Whether the end of the running transaction waits for the disk."""


class PostgresWindows:
    """One moves money at a time, until his transaction ends: nobody waits in a circle, and who waited sees what the other wrote.

    A hold of its own transaction lets the next one in before it is on the disk, and returns when it is: many wait for one
    write. Who came in meanwhile found less room than there is if the power goes, never more.
    """

    def place(self, wish: Wish) -> Verdict:
        """Hold the bound in every window that counts, or in none."""
        with _connected() as raw, psycopg.Cursor(raw) as cursor, psycopg.Cursor(raw) as flush:
            if not raw.autocommit:
                cursor.execute(PLACE, _asked(wish, is_relaxed=not _may_wait.get()), prepare=True)
            else:
                with raw.pipeline() as pipeline:
                    cursor.execute(PLACE, _asked(wish, is_relaxed=True), prepare=True)
                    pipeline.sync()
                    flush.execute(FLUSH_HOLD, [wish.call_id], prepare=True)
            return Verdict(cursor.fetchall()[0][0])

    def lock(self) -> None:
        """Let nobody else move money until the caller's transaction ends."""
        with _connected() as raw:
            raw.execute(LOCK, prepare=True)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Return a transaction that lets the next one in before it is on the disk, and ends when it is."""
        with _relaxed(), transaction.atomic(durable=True):
            yield
        with _connected() as raw, psycopg.Cursor(raw) as cursor:
            cursor.execute(FLUSH, prepare=True)

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Return a transaction whose end does not wait for the disk."""
        if connections[DEFAULT_DB_ALIAS].in_atomic_block:
            yield
            return
        with _relaxed(), transaction.atomic():
            yield

    def settle(self, bill: Bill) -> Settled | None:
        """Move the hold from held to what the bill says and book it; None: it is not held any more, or never was."""
        return _settle(bill, is_relaxed=not _may_wait.get())

    def settle_alone(self, bill: Bill) -> Settled | None:
        """Settle on one way to the server and back; None: it costs more than was held, or stands in a transaction."""
        if connections[DEFAULT_DB_ALIAS].in_atomic_block:
            return None
        return _settle(bill, is_relaxed=True, is_within=True)


def _asked(wish: Wish, *, is_relaxed: bool) -> tuple[Any, ...]:
    return (
        wish.call_id, list(wish.scopes), wish.bound_microusd, wish.owner, wish.correlation_id, wish.now,
        wish.expires_at, wish.provider, wish.model, wish.tier, is_relaxed,
    )  # fmt: skip


def _settle(bill: Bill, *, is_relaxed: bool, is_within: bool = False) -> Settled | None:
    cost = None if bill.cost_microusd is None else max(0, bill.cost_microusd)
    item, slot = str(bill.facts.get("asked", ""))[:80], int(bill.now.timestamp()) // SLOT_S
    told = (
        bill.call_id, bill.state, bill.now, bill.entry_id, cost, bill.agent, bill.correlation_id, Jsonb(dict(bill.facts)),
        item, slot, RING, is_relaxed, is_within,
    )  # fmt: skip
    with _connected() as raw, psycopg.Cursor(raw) as cursor:
        rows = cursor.execute(SETTLE, told, prepare=True).fetchall()
    if not rows:
        return None
    bound, cost, pace = rows[0]
    return Settled(bound, cost, pace={(kind, ref): int(total) for kind, ref, total in pace or ()})


@contextmanager
def _relaxed() -> Iterator[None]:
    token = _may_wait.set(False)
    try:
        yield
    finally:
        _may_wait.reset(token)


@contextmanager
def _connected() -> Iterator[psycopg.Connection[Any]]:
    wrapper = connections[DEFAULT_DB_ALIAS]
    wrapper.ensure_connection()
    raw = wrapper.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = 0  # Django's own cursors prepare nothing all the same
    with wrapper.wrap_database_errors:
        yield raw
