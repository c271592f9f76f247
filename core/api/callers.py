"""Who calls: known from the token or the session, never from what a body says."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from core.errors import PeopleAlone
from core.models import User
from core.services.tokens import PREFIX, find_device_token, role_now

OWNER: Final = "owner"
OPERATOR: Final = "operator"
VIEWER: Final = "viewer"
WORKER: Final = "worker"
AGENT: Final = "agent"

Roles = frozenset[str]
OWNERS: Final[Roles] = frozenset({OWNER})
"""Who decides, raises, resumes. Source: R-03.29."""
KEEPERS: Final[Roles] = frozenset({OWNER, OPERATOR})
"""Who keeps it running."""
READERS: Final[Roles] = frozenset({OWNER, OPERATOR, VIEWER})
EVERYONE: Final[Roles] = READERS | {WORKER, AGENT}


@dataclass(frozen=True)
class Caller:
    """Who calls.

    Attributes:
        name: how audit rows say it: `owner:ada`, `owner:ada on phone`, `agent:Rex`.
        role: what counts for what it may do.
        key: under which its calls are counted and its replies kept.
        person: None for an agent.
        attempt_id: the one attempt an agent's token belongs to.
        is_signed_in: a browser session, not a token.
    """

    name: str
    role: str
    key: str
    person: User | None = None
    attempt_id: UUID | None = None
    is_signed_in: bool = False


def caller_of(request: Request) -> Caller:
    """Return who calls.

    Raises:
        NotAuthenticated: nobody we know.
    """
    if isinstance(request.auth, Caller):
        return request.auth
    if isinstance(request.user, User):
        person = request.user
        return Caller(
            name=f"{person.role}:{person.username}"[:80],
            role=person.role,
            key=f"person:{person.pk}",
            person=person,
            is_signed_in=True,
        )
    raise NotAuthenticated


def person_of(caller: Caller) -> User:
    """Return the person who calls; behind an agent there is none.

    Raises:
        PeopleAlone: an agent calls.
    """
    if caller.person is None:
        raise PeopleAlone
    return caller.person


def bearer_of(request: Request) -> str:
    """Return the token in the Authorization header; empty when there is none."""
    kind, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""


class Bearer(BaseAuthentication):
    """Tokens in `Authorization: Bearer …`."""

    def authenticate_header(self, request: Request) -> str:
        """Say how to come back."""
        return "Bearer"


class DeviceAuthentication(Bearer):
    """Tokens of devices."""

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        """Return the person and what their device may do; None when this is another kind of token."""
        secret = bearer_of(request)
        if not secret.startswith(PREFIX):
            return None
        token = find_device_token(secret)
        role, person = role_now(token), token.person
        name = f"{role}:{person.username} on {token.name}"[:80]
        return person, Caller(name=name, role=role, key=f"token:{token.pk}", person=person)


class SignedIn(SessionAuthentication):
    """The session of a browser; a change needs its CSRF token."""


def agent_caller(name: str, *, attempt_id: UUID) -> tuple[AnonymousUser, Caller]:
    """Return the agent of one attempt as who calls."""
    caller = Caller(name=f"agent:{name}", role=AGENT, key=f"attempt:{attempt_id}", attempt_id=attempt_id)
    return AnonymousUser(), caller


class MayDo(BasePermission):
    """Whoever calls has one of the roles that the operation names."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Compare the caller's role with what stands at the operation, else at the view."""
        try:
            return caller_of(request).role in roles_of(view)
        except NotAuthenticated:
            return False


def roles_of(view: APIView) -> Roles:
    """Return who may do what is asked of `view`."""
    operation = getattr(view, getattr(view, "action", None) or "", None)
    roles: Roles = getattr(operation, "may", getattr(view, "may", READERS))
    return roles
