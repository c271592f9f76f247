"""What people type to name a thing or a person, and what it means."""

import re
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from django.db.models import Model, Q, QuerySet

from core.errors import BadArguments, NotFound
from core.models import User

M = TypeVar("M", bound=Model)
LEAST = 6
As = Annotated[str, typer.Option("--as", help="Who does it: the name of a person of this factory.")]
PART = re.compile(r"[0-9a-f][0-9a-f-]*")


def find_one(rows: "QuerySet[M]", part: str, *, noun: str) -> M:
    """Return the one row whose id is `part`, or begins or ends with it; ids begin with a time, so ends tell more.

    Raises:
        BadArguments: too short, no id, or several rows fit.
        NotFound: none fits.
    """
    said = part.strip().lower()
    if len(said) < LEAST or not PART.fullmatch(said):
        raise BadArguments(
            at=noun, expected=f"at least {LEAST} characters of its id, from the start or the end"
        )
    found = list(rows.filter(_fits(said))[:2])
    if not found:
        raise NotFound(**{noun: part})
    if len(found) > 1:
        raise BadArguments(at=noun, expected="more characters: several ids begin or end like this")
    return found[0]


def _fits(said: str) -> Q:
    if len(said.replace("-", "")) == 32:
        return Q(pk=UUID(said))
    return Q(pk__startswith=said) | Q(pk__endswith=said)


def find_person(name: str) -> User:
    """Return the person of this name.

    Raises:
        BadArguments: no name was given.
        NotFound: nobody is called so.
    """
    if not name:
        raise BadArguments(at="--as", expected="the name of the person who does this")
    person = User.objects.filter(username=name, is_active=True).first()
    if person is None:
        raise NotFound(person=name)
    return person


def actor_of(name: str) -> str:
    """Return how the audit rows name whoever types: a person of this factory, or the terminal."""
    return f"{find_person(name).as_actor} by cli" if name else "cli"


def id_and(row: Model, **facts: Any) -> dict[str, Any]:
    """Return the facts of a row, its id first."""
    return {"id": row.pk, **facts}
