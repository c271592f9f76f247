"""Telling an agent something while it works: it reads it before its next turn, as data."""

from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.runtime.errors import NobodyListens
from agents.runtime.models import Note, Session
from core.errors import BadArguments
from core.services import announce, audit

MOST_LETTERS: Final = 4_000


@transaction.atomic
def tell_agent(assignment_id: UUID, *, text: str, by: str) -> Note:
    """Leave a note for the agent that works at this attempt.

    Raises:
        BadArguments: no text, or more than 4,000 letters.
        NobodyListens: the attempt is over, or no agent works at it.
    """
    said = text.strip()
    if not said or len(said) > MOST_LETTERS or "\0" in said:
        raise BadArguments(at="text", expected=f"1 to {MOST_LETTERS:,} letters")
    session = Session.objects.filter(assignment_id=assignment_id, state=Session.State.RUNNING).first()
    if session is None:
        raise NobodyListens
    note = Note.objects.create(
        reuse_key=session.reuse_key, assignment_id=assignment_id, text=said, by=by[:80]
    )
    audit(actor=by, verb="runtime.tell_agent", subject=session.title, assignment_id=str(assignment_id))
    announce(f"session:{assignment_id}")
    return note


def notes_before(session: Session, *, turn: int) -> tuple[str, ...]:
    """Return what the agent hears before this turn, and write down that it did; a later attempt hears it at the same place."""
    notes = list(Note.objects.due(session.reuse_key, turn=turn))
    new = [note.pk for note in notes if note.before_turn is None]
    if new:
        Note.objects.filter(pk__in=new, before_turn=None).update(before_turn=turn, read_at=timezone.now())
        announce(f"session:{session.assignment_id}")
    return tuple(note.text for note in notes)
