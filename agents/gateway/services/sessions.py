"""One run of an engine: the token with which it asks models, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from agents.gateway.errors import BadAsk
from agents.gateway.rules.route import Care, care_of
from agents.roster.models import Agent
from agents.roster.rules import EngineRights
from agents.roster.services import engine_token_in_force, issue_engine_token, token_in_force
from billing.models import Period
from billing.services import open_scope, set_limit
from core.ids import new_id
from core.registry import Assignment


@dataclass(frozen=True)
class Session:
    """Who asks through the door, and under which rights."""

    token_id: UUID
    agent: str
    assignment_id: UUID
    rights: EngineRights

    @property
    def care(self) -> Care:
        """What keeps its work from some models."""
        return care_in(self.rights)


@transaction.atomic
def make_session_token(
    assignment: Assignment,
    *,
    models: Sequence[str] = (),
    cap_microusd: int,
    expires_at: datetime,
    max_tokens: int | None = None,
) -> str:
    """Return a secret that opens the models' door for one run of an engine; it ends with the assignment.

    Args:
        assignment: whose work it is, while it runs; its scopes pay.
        models: names of the models it may ask; none: any.
        cap_microusd: what the run may spend in all, in a window of its own beside those of the assignment.
        expires_at: machine time; never later than the assignment's own end.
        max_tokens: how much an answer may hold where the engine does not say; None: it must say.

    Raises:
        TokenEnded: the assignment is over.
        BadAsk: a cap below one micro-dollar.
    """
    own = token_in_force(assignment.token)
    if cap_microusd < 1:
        raise BadAsk(missing="cap_microusd")
    scope = open_scope(kind="session", ref=str(new_id()), label=f"{own.agent.name}'s engine run")
    set_limit(scope, period=Period.LIFE, cap_microusd=cap_microusd)
    care = care_of(assignment.type, assignment.inputs.get("arguments", {}))
    rights = EngineRights(
        scopes=(*assignment.scopes, scope.id),
        may_ask=tuple(models),
        max_tokens=max_tokens,
        correlation_id=assignment.correlation_id,
        **care._asdict(),
    )
    return issue_engine_token(
        agent=Agent.objects.get(pk=own.agent_id),
        assignment_id=assignment.id,
        rights=rights,
        expires_at=min(expires_at, own.expires_at),
    )


def care_in(rights: EngineRights) -> Care:
    """Return what keeps work under these rights from some models."""
    return Care(rights.security_sensitive, rights.untrusted_input, rights.local_only)


def session_of(secret: str) -> Session:
    """Return the session that this secret opens.

    Raises:
        TokenEnded: no such token, or its attempt is over, or its agent is switched off.
    """
    token = engine_token_in_force(secret)
    return Session(token.id, token.agent, token.assignment_id, token.rights)
