"""News for open pages: what they show of a topic may be old, and they look again."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from django.db import transaction

from core.adapters.live import teller

_TOPICS: Final[Mapping[str, str]] = {
    "approvals": "decisions",
    "billing": "money",
    "gateway": "money",
    "work": "work",
}
"""What a fact of an app makes old; facts of all other apps make home old."""


def announce(*topics: str) -> None:
    """Tell open pages, after this transaction, to look again at `topics`; cheap, and never an error.

    Topics are `home`, `decisions`, `money`, `work`, `dag:<id>` and `session:<assignment id>`.
    """
    transaction.on_commit(partial(teller.tell, topics))


def announce_fact(kind: str, facts: Mapping[str, object]) -> None:
    """Announce what a published fact makes old; the graph it names too."""
    topics = [_TOPICS.get(kind.partition(".")[0], "home")]
    if dag_id := facts.get("dag_id"):
        topics.append(f"dag:{dag_id}")
    announce(*topics)
