"""People: invited once, known from then on."""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from core.errors import NotFound
from core.models import Installation, InviteLink, User
from core.services.audit import audit

INVITED_FOR = timedelta(hours=24)
SITTING = timedelta(minutes=20)
"""Who has not looked for so long begins a new sitting."""
LOOK_COUNTS = timedelta(minutes=1)


@transaction.atomic
def invite_person(*, role: str = User.Role.OWNER) -> str:
    """Return the secret of a one-time invitation, good for 24 hours; older unused ones for this role end."""
    token = secrets.token_urlsafe(24)
    InviteLink.objects.filter(used_at=None, role=role).delete()
    InviteLink.objects.create(
        token_sha256=_fingerprint(token), role=role, expires_at=timezone.now() + INVITED_FOR
    )
    return token


def is_invitation_open(token: str) -> bool:
    """Say whether this secret may still make an account."""
    return InviteLink.objects.filter(
        token_sha256=_fingerprint(token), used_at=None, expires_at__gt=timezone.now()
    ).exists()


@transaction.atomic
def accept_invitation(token: str, *, name: str, password: str, time_zone: str = "UTC") -> User:
    """Make the account this invitation is for, once; an owner's time zone becomes the factory's.

    Raises:
        NotFound: no such invitation, or it is used or too old; nothing was made.
    """
    link = InviteLink.objects.filter(token_sha256=_fingerprint(token)).first()
    now = timezone.now()
    usable = InviteLink.objects.filter(token_sha256=_fingerprint(token), used_at=None, expires_at__gt=now)
    if link is None or not usable.update(used_at=now):
        raise NotFound(invitation="used, too old or never made")
    is_owner = link.role == User.Role.OWNER
    user = User.objects.create_user(
        username=name, password=password, role=link.role, is_staff=is_owner, is_superuser=is_owner
    )
    if is_owner:
        Installation.objects.update(time_zone=time_zone)
    audit(actor=f"{user.role}:{user.username}", verb="core.accept_invitation", subject=user.username)
    return user


def note_look(person: User) -> datetime | None:
    """Write down that this person looks at home now; return when they last did in an earlier sitting, None: never."""
    now, last = timezone.now(), person.looked_at
    if last is not None and now - last < LOOK_COUNTS:
        return person.news_from
    fresh: dict[str, datetime | None] = {"looked_at": now}
    if last is None or now - last > SITTING:
        fresh["news_from"] = last
        person.news_from = last
    User.objects.filter(pk=person.pk, looked_at=last).update(**fresh)
    return person.news_from


def _fingerprint(token: str) -> str:
    return sha256(token.encode()).hexdigest()
