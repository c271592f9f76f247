"""What the rows of money can do in one step, in either kind of database."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID


class Verdict(StrEnum):
    """What became of a wish to hold money; all but the first two changed nothing."""

    HELD = "held"
    REPEATED = "repeated"
    UNKNOWN = "unknown"
    SHUT = "shut"
    ABOVE_CALL = "above_call"
    UNOPENED = "unopened"
    UNREADABLE = "unreadable"
    NARROW = "narrow"
    SHORT = "short"


@dataclass(frozen=True)
class Wish:
    """A call that wants its worst case held; times are machine time, periods follow business time.

    Attributes:
        scopes: who pays, besides the scopes above them, the tier and the factory.
        tier: whose day counts too; empty: none.
    """

    call_id: UUID
    scopes: tuple[UUID, ...]
    bound_microusd: int
    owner: str
    correlation_id: UUID | None
    now: datetime
    expires_at: datetime
    provider: str = ""
    model: str = ""
    tier: str = ""


@dataclass(frozen=True)
class Bill:
    """How a call ended: its hold's new state, and what it cost.

    Attributes:
        cost_microusd: None: nobody knows, so the bound counts.
        entry_id: what its entry is known by, and an overage beside it.
        agent, correlation_id: win over what the hold says.
    """

    call_id: UUID
    state: str
    cost_microusd: int | None
    entry_id: UUID
    now: datetime
    agent: str = ""
    correlation_id: UUID | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """A hold that this bill settled.

    Attributes:
        bound_microusd: what was held.
        amount_microusd: what was booked.
        pace: what each agent and the factory spent in the last five minutes, by kind and ref.
    """

    bound_microusd: int
    amount_microusd: int
    pace: Mapping[tuple[str, str], int]


class Windows(Protocol):
    """The rows of money in one kind of database: each verb is one transaction, or part of the caller's."""

    def place(self, wish: Wish) -> Verdict:
        """Hold the bound in every window that counts, or in none."""

    def lock(self) -> None:
        """Let nobody else move money until the caller's transaction ends."""

    def holding(self) -> AbstractContextManager[None]:
        """Return a transaction for a hold and what is written with it; when it ended, all of it is on the disk."""

    def settling(self) -> AbstractContextManager[None]:
        """Return a transaction for a settlement that the disk need not have yet, unless the caller has one of his own.

        If the power goes, the hold stands again, and expires at its bound: the safe side. A hold itself is on disk
        before its call leaves.
        """

    def settle(self, bill: Bill) -> Settled | None:
        """Move the hold from held to what the bill says and book it; None: it is not held any more, or never was."""

    def settle_alone(self, bill: Bill) -> Settled | None:
        """Settle in one step that is its own transaction; None: it needs the caller's, or costs no less there."""
