"""News for open pages: what they show of a topic may be old, and they look again."""

from functools import partial

from django.db import transaction

from core.adapters.live import teller


def announce(*topics: str) -> None:
    """Tell open pages, after this transaction, to look again at `topics`; cheap, and never an error.

    Topics are `home`, `decisions`, `money`, `work`, `dag:<id>` and `session:<assignment id>`.
    """
    transaction.on_commit(partial(teller.tell, topics))
