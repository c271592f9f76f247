"""Who may do what: one token for one attempt, one audit row for every decision."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final
from uuid import UUID

from django.db import connection
from django.utils import timezone

from agents.roster.errors import ToolDenied
from agents.roster.models import Agent, CapabilityToken
from agents.roster.rules import EngineRights, why_denied
from core.adapters.rows import find_rows
from core.errors import TokenEnded
from core.models import AuditRow
from core.services import audit


@dataclass(frozen=True)
class EngineToken:
    """Who asks with an engine's token, for which attempt, and what it opens."""

    id: UUID
    agent: str
    assignment_id: UUID
    rights: EngineRights


def issue_token(*, agent: Agent, assignment_id: UUID, expires_at: datetime) -> str:
    """Return a secret that opens the agent's own tools for this attempt, until `expires_at` (machine time)."""
    token = secrets.token_urlsafe(32)
    CapabilityToken.objects.create(
        token_sha256=_digest(token),
        assignment_id=assignment_id,
        agent=agent,
        tools=list(agent.definition.tools),
        expires_at=expires_at,
    )
    return token


def issue_engine_token(
    *, agent: Agent, assignment_id: UUID, rights: EngineRights, expires_at: datetime
) -> str:
    """Return a secret that opens model calls, and nothing else, for this attempt, until `expires_at` (machine time)."""
    token = secrets.token_urlsafe(32)
    CapabilityToken.objects.create(
        token_sha256=_digest(token),
        assignment_id=assignment_id,
        agent=agent,
        engine=rights.model_dump(mode="json"),
        expires_at=expires_at,
    )
    return token


def revoke_tokens(assignment_id: UUID, *, by: str = "") -> int:
    """Close everything this attempt may do, from now on; return how many tokens ended. Safe to run twice.

    `by` names the person who did it; the end of an attempt does it as a matter of course.
    """
    live = CapabilityToken.objects.filter(assignment_id=assignment_id, revoked_at=None)
    ended = live.update(revoked_at=timezone.now())
    if ended and by:
        audit(actor=by, verb="roster.revoke_tokens", subject=str(assignment_id))
    return ended


def authorize(token: str, *, tool: str, subject: str) -> Agent:
    """Allow one use of `tool` on `subject`, or refuse it; either way one audit row says so.

    Raises:
        ToolDenied: unknown or ended token, agent switched off, or a tool that is not in its list.
    """
    found = CapabilityToken.objects.select_related("agent").filter(token_sha256=_digest(token)).first()
    why = "no such token" if found is None else _why_denied(found, tool)
    audit(
        actor=f"agent:{found.agent.name}" if found else "agent:unknown",
        verb=f"tool.{tool}"[:80],
        subject=subject,
        outcome=AuditRow.Outcome.DENIED if why else AuditRow.Outcome.DONE,
        **{"assignment_id": str(found.assignment_id)} if found else {},
        **{"why": why} if why else {},
    )
    if found is None or why:
        raise ToolDenied(tool=tool[:80], why=why)
    return found.agent


def token_in_force(secret: str) -> CapabilityToken:
    """Return the token of this secret with its agent, while its attempt runs.

    Raises:
        TokenEnded: no such token, or its attempt is over, or its agent is switched off.
    """
    live = CapabilityToken.objects.live(timezone.now()).select_related("agent")
    token = live.filter(token_sha256=_digest(secret), engine__isnull=True).first()
    if token is None or not token.agent.is_enabled:
        raise TokenEnded(why=_OVER)
    return token


def engine_token_in_force(secret: str) -> EngineToken:
    """Return what the engine's token of this secret opens, while its attempt runs; one small statement, asked for every call.

    Raises:
        TokenEnded: no such token, or its attempt is over, or its agent is switched off.
    """
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    found = find_rows(_ENGINES, [_digest(secret), now])
    if not found:
        raise TokenEnded(why=_OVER)
    token_id, assignment_id, rights, agent = found[0]
    return EngineToken(_uuid(token_id), agent, _uuid(assignment_id), _rights(rights))


_ENGINES: Final = """
    SELECT t.id, t.assignment_id, t.engine, a.name FROM roster_capabilitytoken t JOIN roster_agent a ON a.id = t.agent_id
    WHERE t.token_sha256 = %s AND t.revoked_at IS NULL AND t.expires_at > %s AND t.engine IS NOT NULL AND a.is_enabled
"""
_OVER: Final = "no such token, or its attempt is over"


def _uuid(told: UUID | str) -> UUID:
    return told if isinstance(told, UUID) else UUID(told)


@lru_cache(maxsize=1024)
def _rights(text: str) -> EngineRights:
    return EngineRights.model_validate_json(text)


def _why_denied(token: CapabilityToken, tool: str) -> str:
    return why_denied(
        tool=tool,
        allowed=token.tools,
        is_enabled=token.agent.is_enabled,
        ends_at=token.ends_at,
        now=timezone.now(),
    )


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
