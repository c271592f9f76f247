"""Names and numbers that are one's alone: what to do when somebody took one a moment before."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from django.db import IntegrityError, transaction

T = TypeVar("T")
_TRIES: Final = 6


def until_free(work: Callable[[], T]) -> T:
    """Carry out what looks for something free and takes it, again where somebody else took it meanwhile.

    Each try is undone whole, and the next one sees what the others wrote.

    Raises:
        IntegrityError: of the last try; then it was no race.
    """
    for _ in range(_TRIES - 1):
        with suppress(IntegrityError), transaction.atomic():
            return work()
    with transaction.atomic():
        return work()
