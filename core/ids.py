"""Ids that sort by time of birth, and the one id that ties a story together."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from hashlib import sha256
from json import dumps
from uuid import UUID

from uuid_utils.compat import uuid7

correlation: ContextVar[UUID | None] = ContextVar("correlation", default=None)
"""The story that the running code belongs to: from the first signal to the last cent."""


at_work: ContextVar[tuple[UUID, str] | None] = ContextVar("at_work", default=None)
"""The task that the running code carries out, and whose it is; no name: platform code's."""


@contextmanager
def story_of(correlation_id: UUID | None) -> Iterator[None]:
    """Let everything written in the block belong to this story."""
    token = correlation.set(correlation_id)
    try:
        yield
    finally:
        correlation.reset(token)


@contextmanager
def working_on(task_id: UUID, *, agent: str) -> Iterator[None]:
    """Let every log line of the block say which task it is about, and whose."""
    token = at_work.set((task_id, agent))
    try:
        yield
    finally:
        at_work.reset(token)


def new_id() -> UUID:
    """Return a fresh UUIDv7: later ones of this process are larger. Source: RFC 9562."""
    return uuid7()


def digest_of(value: object) -> str:
    """Return the SHA-256 of `value` as canonical JSON: equal values, equal digests, whatever the key order."""
    text = dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return sha256(text.encode()).hexdigest()


def first_id_of(moment: datetime) -> UUID:
    """Return the least id that can be made at `moment`: rows made later have larger keys, so the key is an index of time."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
