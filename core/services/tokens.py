"""Tokens of devices: made by a person who is signed in, shown once, ended by hand or by time."""

import secrets
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core.errors import BadArguments, NotFound, TokenEnded
from core.models import DeviceToken, User
from core.services.audit import audit

PREFIX = "fd_"
DAYS = 90
USED_EVERY = timedelta(minutes=1)
_RANK = {"worker": 0, "viewer": 0, "operator": 1, "owner": 2}


@transaction.atomic
def issue_device_token(
    person: User, *, name: str, role: str = "", days: int = DAYS, by: str
) -> tuple[DeviceToken, str]:
    """Return a new token of `person` and its secret, which is stored nowhere.

    Args:
        person: whose device it is.
        name: which device.
        role: at most the person's own; empty: the person's own. A worker's token needs an owner or operator.
        days: how long it is good, 1 to 90.
        by: who makes it.

    Raises:
        BadArguments: no name, too many days, or a role above the person's.
    """
    wanted = role or person.role
    if not name.strip() or not 1 <= days <= DAYS:
        raise BadArguments(expected=f"a name, and 1 to {DAYS} days")
    if wanted not in DeviceToken.Role.values or not _may_hand_on(person.role, wanted):
        raise BadArguments(at="role", expected=f"at most {person.role}")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = DeviceToken.objects.create(
        person=person, name=name.strip()[:60], role=wanted, token_sha256=_fingerprint(secret),
        expires_at=timezone.now() + timedelta(days=days),
    )  # fmt: skip
    audit(actor=by, verb="core.issue_device_token", subject=token.name, role=wanted, token_id=str(token.pk))
    return token, secret


def _may_hand_on(own: str, wanted: str) -> bool:
    return own != "viewer" if wanted == "worker" else _RANK[wanted] <= _RANK[own]


@transaction.atomic
def revoke_device_token(token_id: UUID, *, by: str, of: User | None = None) -> DeviceToken:
    """End a token from its next call on; `of` a person: only their own. Safe to run twice.

    Raises:
        NotFound: no such token, or somebody else's.
    """
    mine = DeviceToken.objects.filter(Q(pk=token_id) & (Q(person=of) if of else Q()))
    token = mine.select_related("person").first()
    if token is None:
        raise NotFound(token=token_id)
    if mine.filter(revoked_at=None).update(revoked_at=timezone.now()):
        audit(actor=by, verb="core.revoke_device_token", subject=token.name, token_id=str(token_id))
    token.refresh_from_db()
    return token


def find_device_token(secret: str) -> DeviceToken:
    """Return the live token of this secret with its person, and note that it was used.

    Raises:
        TokenEnded: it was never made, is revoked or too old, or its person is gone.
    """
    token = DeviceToken.objects.select_related("person").filter(token_sha256=_fingerprint(secret)).first()
    now = timezone.now()
    if token is None:
        raise TokenEnded(why="never made")
    if token.revoked_at or token.expires_at <= now or not token.person.is_active:
        raise TokenEnded(why="revoked" if token.revoked_at else "too old or its person is gone")
    if token.last_used_at is None or token.last_used_at < now - USED_EVERY:
        DeviceToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def role_now(token: DeviceToken) -> str:
    """Return what the token may do today: never more than its person, who may have lost a role since."""
    if _may_hand_on(token.person.role, token.role):
        return token.role
    return token.person.role if token.role != DeviceToken.Role.WORKER else ""


def _fingerprint(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
