"""Who may do what: one token for one attempt, one audit row for every decision."""

import secrets
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.utils import timezone

from agents.roster.errors import ToolDenied
from agents.roster.models import Agent, CapabilityToken
from agents.roster.rules import EngineRights, why_denied
from core.errors import TokenEnded
from core.models import AuditRow
from core.services import audit


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
    return _live_token(secret, is_engines=False)


def engine_token_in_force(secret: str) -> CapabilityToken:
    """Return the engine's token of this secret with its agent, while its attempt runs.

    Raises:
        TokenEnded: no such token, or its attempt is over, or its agent is switched off.
    """
    return _live_token(secret, is_engines=True)


def _live_token(secret: str, *, is_engines: bool) -> CapabilityToken:
    live = CapabilityToken.objects.live(timezone.now()).select_related("agent")
    token = live.filter(token_sha256=_digest(secret), engine__isnull=not is_engines).first()
    if token is None or not token.agent.is_enabled:
        raise TokenEnded(why="no such token, or its attempt is over")
    return token


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
