"""How long somebody looked before they answered: the page carries a signed note of when it was made."""

import time
from collections.abc import Iterable
from uuid import UUID

from django.core import signing

_SALT = "decision.seen"


def note_of(ids: Iterable[UUID]) -> str:
    """Return a note that these questions are shown now."""
    return signing.dumps([sorted(map(str, ids)), time.time()], salt=_SALT)


def looked_for(note: str, ids: Iterable[UUID]) -> float | None:
    """Return how many seconds ago these questions were shown; None: the note is not ours or of others."""
    try:
        shown, at = signing.loads(note, salt=_SALT)
    except signing.BadSignature:
        return None
    return max(0.0, time.time() - at) if set(map(str, ids)) <= set(shown) else None
